"""Dutch."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Abbreviation, Group, Language

DUTCH: Final = Language(
    code="nl",
    name="Dutch",
    groups=(
        Group(
            "titles",
            Abbreviation.TITLE,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            dhr mevr mw dr drs ir ing prof mr ds jhr mej bc kol gen lt kapt burg hr hrn juffr jkvr jonkvr mrs ms profs
            dra irs ings bacc lic cand dipl em emer past e.h eerw zeereerw weleerw z.e.h z.em mgr kard bissch aartsb z.m
            z.k.h h.m h.k.h z.exc excell h.exc z.h h ste mr.dr prof.dr prof.ir dr.ir minr stas staatssecr wethr weth
            gouv gem.secr secr secr-gen dir adj-dir voorz pres vice-pres adm vadm sbn kpt luit luitkol lt-kol lt.kol
            lt.gen genm gen-maj maj ritm sgt serg sgt-maj kpl korp sld wmr owmr aoo brig insp hinsp comm commr cdt
            commdt advoc adv gerechtsd weled weledelgel weledelgeb w.e.g gez zr br arch bouwk psych st penn ltz hoogl
            """,
        ),
        Group(
            "ahead of a number or a label",
            Abbreviation.NUMBER,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            nr nrs art blz p pp par hfst fig afb vol tel lid § pag ma di wo vr no num artt bl bldz blzn pg parr hfdst hs
            figg figs afbn ill tab tabn tbl dln jg jrg jaarg afl aflev r rn r.o ro rov v vv stb stcrt trb tfn telnr mob
            fax ext toest kad huisnr hnr bus pb postb gb k lok loknr zitt kst alin blzz rubr vb
            """,
        ),
        Group(
            "connecting",
            Abbreviation.NEVER,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            bijv bv bvb d.w.z dwz o.a oa o.m m.b.t mbt t.a.v t.b.v t.o.v i.p.v i.v.m ivm m.a.w m.n m.i.v n.a.v o.l.v
            t.g.v t.w w.o z.g z.gn zgn zg ca resp incl excl inkl m.b.v a.h.w a.d.h.v a.g.v i.c i.t.t e.g i.e vs vgl cf
            evt c.q d.d d.m.v i.h.b i.o i.s.m o.b.v o.g.v p.p t.e.m t/m v.a v.d v.w.b aanw vnw betr gem m.m.v n.v.t bez
            d.i m.d m.e m.g.v m.h.o m.i m.u.v m.v m.v.g n.a n.l n.m n.o n.o.m n.h.t n.b nb nvdr n.v.d.r n.v.d.v o.b o.d
            o.g o.h.v o.i o.k o.n o.r o.s o.t o.v o.v.v o.w p.a p/a p.e p.j p.k p.m pm p.o p.s p.u p.w q.q q.v r.k s.f
            s.j s.l s.o.s s.v spec t.a.p t.e t.h t.h.t t.h.v t.i.m t.k t.l.v t.n.v t.o t.w.v t.z t.z.t tnv tbv tav tov
            tgv ipv iov ihkv i.h.k.v i.a i.b.d i.d i.h.a i.o.v i.p i.s i.t i.v i.v.b i.w i.z i.z.g uitgez ongev aanst
            a.d a.h a.i a.j.b a.o a.u a.w a.p b.d b.g.g b.h b.o b.w b.z c.v conf d.a.v d.o.v e.k f.d f.o g.v g.g h.d h.i
            h.l k.k l.c l.k l.s l.v lett loc loc.cit op.cit plm plusm t.o.m vd v.g.a v.l.n.r v.h.k w.b w.g w.i.w w.v
            w.v.t.t.k w.v.v z.a z.b.b z.d z.i z.n z.o z.o.z z.p z.s.m z.t zog zogen z.g.a.n vlgs verg vergel aangeh geh
            bijgen voorn voorm v/h v.h vh overl ovl echtg m.e.z m.o bep ev desbetr ihb b.v.d d.i.m e.o i.b.v i.e.g i.g.v
            i.r.t o.m.v p.d s.s t.p.v o.t.t o.v.t
            """,
        ),
        Group(
            "often the last word",
            Abbreviation.ENDING,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            enz etc e.d e.a e.v n.v b.v ltd inc co m.m o.i.d ff e.v.a jl a.s d.v enzv enzov e.d.m e.m ea cs c.s bvba
            b.v.b.a cvba c.v.b.a v.o.f vof v.z.w vzw v.z.w.d z.w s.a sa plc gmbh corp ag bros gebrs h.o a.m v.m j.l mld
            """,
        ),
        Group(
            "measures",
            Abbreviation.ENDING,
            "Nederlandse Taalunie, lijst van afkortingen; SI Brochure",
            """
            min sec u km kg cm mm ml cl dl mg gr kw kwh stks ltr mtr ha pk jr mnd wk
            """,
        ),
        Group(
            "months and days",
            Abbreviation.OFTEN,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            jan feb mrt apr jun jul aug sep sept okt dec febr maa din woe zat
            """,
        ),
        Group(
            "days and months that are words",
            Abbreviation.DAY,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            do za zo
            """,
        ),
        Group(
            "everyday use",
            Abbreviation.OFTEN,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            afd afk alg bibl bijl cat dept diss ed eng fam gebr geb gest hoofdst int lat mil mrd mln nl nov onbep ong
            org oorspr red sr str temp uitg ver vert vlg vnl vz wnd zn u.s u.s.a v.chr n.chr chr a.u.b s.v.p max stw
            stwg ln pln kde sngl sgl prov distr arr arrond dep div afdn assoc aanh aanm aant abs ac acad accus achterv
            adj admin advt afm afz akk alf alm amb amer anat ant anthrop ap arab archeol archit astr astrol astron attr
            autom avg bedr beg begr beh beroepsk bestuursk bew bijb bijv.nw bijw biol bkh boekh boekw bost brab bur bw
            cath centr chem chir chron chronol coll compl computert conc cons const contr coörd corr ct deelw dem dgl
            dial dierk drukk dts ecol econ eigenl eigensch electr elektr elem enk enkelv etn etym euf exec exc exempl
            fem fil filat filos fon form fot fra frequ friesl fys gasth gebiedw geol geom geogr geref germ gesch gew ghz
            glaasbl godsd goth griek handw hebr herald herv hist hoofdw hoogd ind indiv inform inh inl inst instr interj
            intr inz ital jap jeugdt jur kath kerkel kindert klemt koll koopm landb letterk ling lit luchtv luth maatsch
            mann math mech med medew meerv meetk meteor metr mijnb mineral mod mohamm muz mv myth nadr natk naut nederd
            nederl nijv nom noordel onbekl onderw onov onz oostel opm orig ornith oudh overdr overg overh overtr path
            pej pharm philos phys plantk plur poët pol polit pred pref prot psychol raadg rechtst relat resid rk russ
            samenst scheepsb scheepv scheik scherts scherz schilderk sed sociol soldatent specif spoorw spott spr stat
            staatk statist sterrenk stud studentent subst suff symb syn taalk techn tegenw telec telw teg theat theol
            toek toep toneelw transp tuinb typ uitdr uitspr univ vakt veeart veet verh verk verkl veroud versch verz
            verw vk voegw volksn volkst voorw vl vulg vw wap wdb westel wetensch wisk wkt wijsb ww zeew zelfst zoöl zool
            zuidel zw zwits avd nbg
            """,
        ),
    ),
    starters="""
        de het een hij zij ze ik jij je we wij jullie u men dit dat deze die er en maar of want als toen omdat
        hoewel terwijl wanneer waar wat wie hoe waarom welke in op aan bij met voor van naar uit over onder
        tegen door na tijdens volgens zonder om te tot sinds ook nog nu dan daar hier zo toch echter bovendien
        daarom daarna eerst vervolgens ten is was zijn waren heeft hebben kan kunnen mag moet niet geen ja nee
        mijn jouw uw haar hun ons onze alle alles veel sommige elke vandaag gisteren morgen
        """,
    short="""
        af al als auto bed bij boek dag dan dat de die dit doe doen door dus een en er geld gek gij had heb
        hem het hij hun iets ik in is ja jaar je jij kan kat kind man me mee mij met na nee niet nog nu of om
        on op oud rij the tijd toe tot uit uur van vis vol voor vrij vuur was wat we weg wel wij wil zee zei
        zes zij zijn zin zo zon zou zus
        """,
    loose="""
        de het een van in op aan bij met voor naar uit over onder tegen door na te en of maar dat die als is
        was zijn niet ook er om tot
        """,
    exclaimed="""
        yahoo joomla
        """,
    reporting="""
        zei zegt vroeg vraagt antwoordde riep dacht fluisterde hij zij ze en
        """,
    counted="""
        pagina hoofdstuk deel stap sectie artikel figuur tabel versie niveau klas nummer dag
        """,
    units="""
        min sec m a s g l t st u uur ha pk jr v
        """,
    contractions="""
        t s k n m r ns ne em mekaar savonds smorgens smiddags snachts
        """,
    suffixes="str ln stwg",
)
