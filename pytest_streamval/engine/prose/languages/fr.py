"""French."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Abbreviation, Group, Language

FRENCH: Final = Language(
    code="fr",
    name="French",
    groups=(
        Group(
            "titles",
            Abbreviation.TITLE,
            "Imprimerie nationale, Lexique des règles typographiques; CLDR 46 sentence-break suppressions (fr)",
            """
            m mme mmes mlle mlles dr drs pr prof me mgr st ste cap capt col gén lt sgt cdt hon mr mrs dre mgrs messrs sr
            srs s.m s.a.r s.exc s.em s.é r.p rr.pp rp fr frs card év lieut lt-col adjt adj-chef cal cne cba gal sgt-chef
            maj brig am ing arch prés secr v.-prés vve vde cte ctesse bne chev dq mtre insp commre préf sén stes sts phd
            dr-ing pdt vtesse
            """,
        ),
        Group(
            "ahead of a number or a label",
            Abbreviation.NUMBER,
            "Imprimerie nationale, Lexique",
            """
            p pp n no nos n° art al chap fig vol t ch tabl pl § tél éd alin num nº nᵒ nᵒˢ nrs pag vols tt chaps arts
            fasc ff fol fº §§ ann annx app pls figs tab tabs r rv rº vº v vv l liv sect ref rem exp bât appt apt esc étg
            cp b.p bp fax c.p bl cah exs tom
            """,
        ),
        Group(
            "connecting",
            Abbreviation.NEVER,
            "Imprimerie nationale, Lexique; CLDR 46 sentence-break suppressions (fr)",
            """
            c.-à-d c.à.d cad p.ex ex cf env ap apr j.-c i.e e.g vs adj adv approx resp dit ibid id loc c-à-d càd cà-d
            c-a-d p.-ex envir e.a conf v.g s.-e av.j.-c apr.j.-c ap.j.-c s.v s.l s.d s.l.n.d op cit op.cit art.cit
            loc.cit n.b nb n.d.l.r ndlr n.d.t ndt n.d.a n.d.é p.-s p.s r.s.v.p rsvp s.v.p svp suiv sq sqq subst vx qq
            qqch qqn q.v réc rac p.-ê ibidem téléph dépt
            """,
        ),
        Group(
            "often the last word",
            Abbreviation.ENDING,
            "Imprimerie nationale, Lexique",
            """
            etc inc ltd s.a sté ets bros corp co max éts & sarl s.a.r.l s.a.s sas s.c.i sci s.n.c snc eurl s.p.r.l sprl
            plc gmbh llc jr a.m p.m qc
            """,
        ),
        Group(
            "measures",
            Abbreviation.ENDING,
            "Imprimerie nationale, Lexique; SI Brochure",
            """
            min sec h hr hrs kg km cm mm ml cl dl mg ko mo go pce pces cuill kw kwh tr
            """,
        ),
        Group(
            "months and days",
            Abbreviation.OFTEN,
            "Imprimerie nationale, Lexique; CLDR 46 sentence-break suppressions (fr)",
            """
            janv févr avr juil sept oct nov déc lun ven dim jan fév juill octob
            """,
        ),
        Group(
            "days and months that are words",
            Abbreviation.DAY,
            "Imprimerie nationale, Lexique; CLDR 46 sentence-break suppressions (fr)",
            """
            mer jeu mar sam
            """,
        ),
        Group(
            "everyday use",
            Abbreviation.OFTEN,
            "CLDR 46 sentence-break suppressions (fr)",
            """
            cie acoust adr anc anon append aux bd boul broch bull cam categ coll collab comm config dest dict dir doc
            encycl exempl gouv graph hôp ill illustr imm impr imprim indus masc fém métaph niv observ quart réf sing
            plur symb synth syst trav publ édit équiv éval u.s u.s.a adm dép hab av bld bvd blvd ave che chem rte fg fbg
            faub rés résid zac z.i z.a lieu-d abrév abs absolt accus adapt admin aéron affl agric alg amér anat angl
            anthrop apic aph archéol archit arith astr astrol astron auj autom bibl bibliogr biol bot byz cath celt chim
            chir chrét cin circonsc coef compl conj contr corresp cosm ctr cuis démogr dér dériv dial eccl écol écon
            élec élém empr ency épist équit esp esth ethn étym euph exc excl expr ext fam féod fisc gallo-rom généal
            géogr géol géom germ gr gram hébr hérald hist hortic impers inform intr inv ital jud jurid lang lat ling
            litt liturg log math méc méd mérid métall météor mil mod moy myth naut néol néerl obsc occ oppos ord orig
            orn ouvr p.ê partic péj pers pharm philo philos phon phys poét pol polit poss prép prob probabl prom prov
            psych psychol qqf rég rel relig rhét scand sculpt seult spéc spécialt stat subj suff sup sylv syn techn
            technol théâtr théol typogr univ vén vét vitic vulg zool tjrs bcp qqes cts
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
    units="""
        min sec h m a s g l t p st c v tr go mo ko
        """,
    contractions="""
        y tit tite tiot
        """,
)
