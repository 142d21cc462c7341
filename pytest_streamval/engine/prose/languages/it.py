"""Italian."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Abbreviation, Group, Language

ITALIAN: Final = Language(
    code="it",
    name="Italian",
    groups=(
        Group(
            "titles",
            Abbreviation.TITLE,
            "Accademia della Crusca, abbreviazioni; CLDR 46 sentence-break suppressions (it)",
            """
            sig sigg sigra sig.ra sig.na sig.re sig.rina dr dott dottssa dott.ssa dottor prof profssa prof.ssa ing avv
            arch geom rag on sen mons padre ten col magg s ss cav comm dir amm psicol spett egr gent v.cte v.le p.zza
            c.so sig.a sig.ne sigg.ri sig.le sign signa signra sig.e dott.ri dott.i dottri dr.ssa drssa d.ssa prof.ri
            proff prof.i profri prof.a arch.tto archtto ing.i ingg avv.to avvti avv.ti onn onor senn sen.ce rev revdo
            revmo rev.mo rev.do fr sr s.e s.ecc s.em s.a s.m s.s s.ta s.to b card vesc arciv capit ten.col t.col s.ten
            sten serg serg.magg mar.llo m.llo mllo maresc brig gen.brig gen.div c.amm cpt cte c.te com.te comte cav.uff
            cav.lav gr.uff grand.uff uff nob mar.se n.h n.d ill ill.mo illmo ill.mi chiar chiar.mo chmo ch.mo gent.mo
            gent.ma gentma gentmo egr.i spett.le spettle preg pregg preg.mo pregmo stim stim.mo dir.re dirett pres
            pres.te presid v.pres segr on.le onle proc isp ispett dep p.ind per.ind perind dott.arch m mr mrs ms mme
            mlle lic l.go lgo p.le ple p.za pza pzza p.tta v.lo vlo str s.da b.go c.da fraz lung l.mare lungom vle c.po
            pal rac b.gata ctr dott.sse cap.no gen.le can.co mons.re m.o revd sen.re sotten ten.te magg.re app.to egr.io
            """,
        ),
        Group(
            "ahead of a number or a label",
            Abbreviation.NUMBER,
            "Accademia della Crusca, abbreviazioni",
            """
            n nn nr num pag pagg p pp art artt cap capp fig figg vol voll tav tab par tel es n° nº nri nro pgg pg fasc
            fascc fol foll f ff l lib libb c lin parr § §§ sezz cpv capov tavv tabb graf graff alleg art.li titt vers vv
            t tt quad ess illustr edif telef cell fax c.a.p prot rg r.g sent ord d.l d.lgs dlgs d.m d.p.r dpr d.p.c.m
            l.r reg rep cass trib cod cod.civ cod.pen
            """,
        ),
        Group(
            "connecting",
            Abbreviation.NEVER,
            "Accademia della Crusca, abbreviazioni; CLDR 46 sentence-break suppressions (it)",
            """
            ad p.es p.e cfr v i.e e.g ca circa a.c d.c segg sgg st d meteor idraul cf conf ved vd a.e.v a.v d.e.v av.cr
            d.cr c.a circ op.cit cit citt loc.cit l.c ib ibid id n.b nb n.d.a n.d.r n.d.t ndr ndt p.s p.c p.c.c p.v
            p.p.v c.m c.s c.v s.d s.l s.n s.v u.u risp rispett appross spec pross prec precc sopr sott succ sg inv
            dev.mo devmo aff.mo affmo obbl.mo c/o incl escl per.es c.d cd c.f cso ss.mm.ii s.m.i
            """,
        ),
        Group(
            "often the last word",
            Abbreviation.ENDING,
            "Accademia della Crusca, abbreviazioni",
            """
            ecc etc s.p.a s.r.l spa srl inc ltd co corp s.n.c snc s.a.s sas s.r.l.s srls s.c.a.r.l scarl s.c.r.l soc
            s.coop scpa onlus coop f.lli flli c.ia gmbh llc plc bros a.m p.m jr
            """,
        ),
        Group(
            "measures",
            Abbreviation.ENDING,
            "Accademia della Crusca, abbreviazioni; SI Brochure",
            """
            min sec h hr km kg cm mm ml cl dl mg gr hg q.li ql kw kwh lt mt
            """,
        ),
        Group(
            "months and days",
            Abbreviation.OFTEN,
            "CLDR 46 sentence-break suppressions (it)",
            """
            gen feb apr mag giu lug ago sett ott nov dic lun mer gio ven dom genn febb marz giugn lugl agos
            """,
        ),
        Group(
            "days and months that are words",
            Abbreviation.DAY,
            "CLDR 46 sentence-break suppressions (it)",
            """
            mar set sab
            """,
        ),
        Group(
            "everyday use",
            Abbreviation.OFTEN,
            "CLDR 46 sentence-break suppressions (it)",
            """
            abbr all app az bibl cc c.c.p dim div doc ediz fatt int ital lett loc max mitt mod ogg op prov r.d rif sc
            sez tit trad ult univ vs u.s u.s.a c.p f.p p.i abbrev accr acc acr aer aeron afer affl aggett agr agric alch
            alim alp amer ammin anat ant anton antrop arald arc archeol archit arit arm artig asp ass assoc astr astrol
            astron att attual aus autom avverb biol bibliogr bur calz cartogr catt chim chir cin cinem coll collab comb
            compl compos comun cond cong coniug cons cont contr corr corrisp cosm cosmet crist crit cuc dant dat deriv
            dial dif dimin dipl disus docum eccl ecol econ edil educ eletr elettr elettron encicl enol epist equit
            estens etim etn euf eufem farm fam femm ferr filat filol filos fis fisiol fon fonet fot fotogr franc freq
            fut gastr geneal geog geogr geol ger germ gerg giorn giur gov gramm ibrid idr idrogr imp imper imperf imprec
            impr impers ind indef indic industr inf inform ingl ins interj intr invar irr lat lav leg legg ling lit
            liturg lomb lud mat matem masch mecc med medit metall metaf metr mil milit miner mit mus mur naz nav neg
            neol nom novell numism obs occ ol onom opp oref orig ornit orol paleont parl partic plur poet polit poss
            pref prep pret princ prob pron prop propr provv psic psican pubbl qc qcn qlco qlcu quot radd radiof rel
            relig rifl ripr sart scherz scient scol scult sing sinon sociol sogg sost spag spreg stat stor suff sup
            superl tecn tecnol telev teol teor tip tipogr topogr tosc tratt veter volg zool zoot
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
    units="""
        min sec h m a s g l t gr lt mt q v
        """,
    contractions="""
        ndrangheta ndrina sti nu na mbè ngiorno sera nnaggia stamattina stasera
        """,
)
