"""French."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Group, Kind, Language

FRENCH: Final = Language(
    code="fr",
    name="French",
    groups=(
        Group(
            "titles",
            Kind.TITLE,
            "Imprimerie nationale, Lexique des règles typographiques; CLDR 46 sentence-break suppressions (fr)",
            """
            m mm mme mmes mlle mlles dr drs pr prof me mgr st ste cap capt col gén lt sgt cdt hon mr mrs
            lieut lt-col brig mgrs pdt prés vve vtesse
            sr srs
            """,
        ),
        Group(
            "ahead of a number or a label",
            Kind.NUMBER,
            "Imprimerie nationale, Lexique",
            """
            p pp n no nos n° art al chap fig vol t ch tabl pl § tél éd alin num
            arts chaps s sq sqq p.-s
            étg apt appt bp cp exs tom
            """,
        ),
        Group(
            "connecting",
            Kind.NEVER,
            "Imprimerie nationale, Lexique; CLDR 46 sentence-break suppressions (fr)",
            """
            c.-à-d c.à.d cad p.ex ex cf env av ap apr j.-c i.e e.g vs adj adv approx resp dit ibid id
            loc
            blvd rte chem fg fbg p.-ê n.d.l.r n.b nb ndlr ndt op
            ibidem s.d s.l s.v.p svp téléph dépt
            """,
        ),
        Group(
            "often the last word",
            Kind.ENDING,
            "Imprimerie nationale, Lexique",
            """
            etc cie inc ltd s.a sté ets bros corp co max min
            """,
        ),
        Group(
            "months and days",
            Kind.NEVER,
            "Imprimerie nationale, Lexique; CLDR 46 sentence-break suppressions (fr)",
            """
            janv févr avr juil sept oct nov déc lun mar mer jeu ven sam dim
            jan fév juill octob
            """,
        ),
        Group(
            "everyday use",
            Kind.OFTEN,
            "CLDR 46 sentence-break suppressions (fr)",
            """
            acoust adr anc anon append aux bd boul broch bull cam categ coll collab comm config dest dict dir
            doc encycl exempl gouv graph hôp ill illustr imm impr imprim indus masc fém métaph niv observ
            quart réf sing plur symb synth syst trav publ édit équiv éval u.s u.s.a adm dép hab
            """,
        ),
    ),
    starters="""
        le la les l un une des il elle ils elles on nous vous je j tu ce cet cette ces c ceci cela ça mon ma
        mes ton ta tes son sa ses notre nos votre vos leur leurs et mais ou donc or car si quand lorsque comme
        puisque parce pour par sans sous sur dans en au aux avec après avant depuis pendant malgré selon chez
        entre vers à de du d qui que quoi où comment pourquoi combien quel quelle quels quelles tout toute
        tous toutes plusieurs certains chaque aucun ne n est était sont oui non ici là voici voilà aujourd
        hier demain maintenant puis ensuite enfin ainsi alors aussi cependant toutefois pourtant
        """,
    short="""
        a ai an as au bas bon bus ça car ce ces clé coq cri cru dès dit dix du duo eau eh elle en et eu eux
        fer feu fin fil fou gaz ici il île jeu jus là lac las le les loi lui ma mal me mer mes mis moi mot mur
        ne né nez ni nom non nos nu oie on or os où oui par pas peu pis plu pot pré prêt pur que qui roi rue
        sa sac se sel ses si six ski sol son sot su sud sur ta te tel tes thé toi ton tôt tu un une va vie vin
        vis vol vos vu
        """,
    loose="""
        le la les un une des du de d l à au aux en dans sur sous par pour avec sans et ou mais que qui ne pas
        est sont a ont son sa ses leur ce cette ces plus très
        """,
    exclaimed="""
        yahoo joomla
        """,
    reporting="""
        dit dis disait demanda demande répondit cria s'écria pensa murmura ajouta t-il t-elle et il elle je on
        a
        """,
    counted="""
        page chapitre partie étape section article figure tableau version niveau classe numéro jour
        """,
)
