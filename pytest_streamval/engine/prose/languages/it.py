"""Italian."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Group, Kind, Language

ITALIAN: Final = Language(
    code="it",
    name="Italian",
    groups=(
        Group(
            "titles",
            Kind.TITLE,
            "Accademia della Crusca, abbreviazioni; CLDR 46 sentence-break suppressions (it)",
            """
            sig sigg sigra sig.ra sig.na sig.re sig.rina dr dott dottssa dott.ssa dottor prof profssa
            prof.ssa ing avv arch geom rag on sen mons padre ten col magg s ss cav comm dir amm psicol
            spett egr gent v.cte
            sigg.ri dott.sse dottori dr.ssa drssa avv.to avv.ti cap.no capit gen.le cte c.te can.co
            mons.re m.o on.le onn pres prof.ri proff rev revd revdo s.e s.a sen.re sost sotten
            ten.te magg.re isp brig app.to ill.mo chiar.mo egr.io gent.mo gent.ma per.ind
            """,
        ),
        Group(
            "ahead of a number or a label",
            Kind.NUMBER,
            "Accademia della Crusca, abbreviazioni",
            """
            n nn nr num pag pagg p pp art artt cap capp fig figg vol voll tav tab par tel es
            nri fasc allegato
            v.lo
            """,
        ),
        Group(
            "connecting",
            Kind.NEVER,
            "Accademia della Crusca, abbreviazioni; CLDR 46 sentence-break suppressions (it)",
            """
            ad p.es p.e cfr v i.e e.g ca circa a.c d.c segg sgg st d meteor idraul
            per.es c.d cd c.f p.za vle cso l.go lgo ss.mm.ii s.m.i s.l s.d s.n.c id
            ibid
            """,
        ),
        Group(
            "often the last word",
            Kind.ENDING,
            "Accademia della Crusca, abbreviazioni",
            """
            ecc etc s.p.a s.r.l spa srl inc ltd co corp
            """,
        ),
        Group(
            "months and days",
            Kind.NEVER,
            "CLDR 46 sentence-break suppressions (it)",
            """
            gen feb mar apr mag giu lug ago set sett ott nov dic lun mer gio ven sab dom
            genn febb marz giugn lugl agos
            """,
        ),
        Group(
            "everyday use",
            Kind.OFTEN,
            "CLDR 46 sentence-break suppressions (it)",
            """
            abbr all app az bibl cc c.c.p dim div doc ediz fatt int ital lett loc max min mitt mod ogg op prov
            r.d rif sc sec sez tit trad ult univ vs u.s u.s.a c.p f.p p.i p.zza v.le c.so
            """,
        ),
    ),
    starters="""
        il lo la i gli le l un uno una un' io tu egli lui lei noi voi loro esso essa questo questa questi
        queste quello quella quelli quelle ciò e ed ma o però perché poiché se quando mentre come dove chi che
        cosa quale quali quanto di a da in con su per tra fra del della dei delle dal dalla nel nella sul
        sulla al alla non sì no è era sono ha hanno c ci vi si mi ti ne mio mia tuo tua suo sua nostro nostra
        anche inoltre poi infine quindi dunque allora oggi ieri domani ora adesso qui là così tutto tutti
        tutte ogni alcuni molti molte dopo prima durante secondo senza ecco grazie arrivederci buongiorno
        """,
    short="""
        a ad ai al amo anno bar blu che chi ci ciò con cui da dai dal del di dio due e è ed ei era fa fai far
        fra fu già giù gli ha hai ho i il in io la là le lei li lì lo lui ma mai me mi mia mio ne né nel no
        noi non o oggi or ora per più può qua qui re sa se sé sei si sì so sta su sua sul suo te tra tre tu
        tua tuo un una uno va vi via voi
        """,
    loose="""
        il lo la i gli le un uno una di a da in con su per tra fra del della dei delle al alla nel nella e o
        ma che non si è sono ha hanno più come
        """,
    exclaimed="""
        yahoo joomla
        """,
    reporting="""
        disse dice chiese chiede rispose gridò esclamò pensò aggiunse sussurrò e lui lei
        """,
    counted="""
        pagina capitolo parte passo sezione articolo figura tabella versione livello classe numero giorno
        """,
)
