"""Dutch."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Group, Kind, Language

DUTCH: Final = Language(
    code="nl",
    name="Dutch",
    groups=(
        Group(
            "titles",
            Kind.TITLE,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            dhr mevr mw dr drs ir ing prof mr ds st jhr mej bc kol gen lt kapt burg
            mgr staatssecr voorz penn luit ltz sgt maj brig adj korp z.k.h z.m
            h.m jkvr hoogl
            """,
        ),
        Group(
            "ahead of a number or a label",
            Kind.NUMBER,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            nr nrs art blz p pp par hfst fig afb vol dl tel lid § pag
            artt alin bldz blzz verg hfdst rubr t.n.v vb postb
            """,
        ),
        Group(
            "connecting",
            Kind.NEVER,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            bijv bv bvb d.w.z dwz o.a oa o.m m.b.t mbt t.a.v t.b.v t.o.v i.p.v i.v.m ivm m.a.w m.n m.i.v n.a.v
            o.l.v t.g.v t.w w.o z.g z.gn zgn zg ca resp incl excl inkl m.b.v a.h.w a.d.h.v a.g.v i.c i.t.t e.g
            i.e vs vgl cf evt c.q d.d d.m.v i.h.b i.o i.s.m o.b.v o.g.v p.p t.e.m t/m v.a v.d v.w.b aanw vnw
            betr gem max min m.m.v n.v.t bez
            a.d b.g.g b.v.d c.s d.i d.i.m e.o i.b.v i.e.g i.g.v i.p i.r.t i.v o.d o.g o.m.v p.a p.d p.j p.u r.k s.s
            t.h.v t.o t.p.v t.z.t w.v z.o.z z.s.m plm o.t.t o.v.t
            """,
        ),
        Group(
            "often the last word",
            Kind.ENDING,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            enz etc e.d e.a e.v n.v b.v ltd inc co m.m o.i.d ff e.v.a jl a.s d.v
            kg gld mld
            """,
        ),
        Group(
            "months and days",
            Kind.NEVER,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            jan feb mrt apr jun jul aug sep sept okt dec Ma Di Wo Do Vr Za Zo
            febr maa din woe zat ma di wo do vr za
            """,
        ),
        Group(
            "everyday use",
            Kind.OFTEN,
            "Nederlandse Taalunie, lijst van afkortingen",
            """
            afd afk alg bibl bijl cat dept diss ed eng fam gebr geb gest hoofdst int jr lat mil mnd mrd mln nl
            nov onbep ong org oorspr red sr str temp uitg ver vert vlg vnl vz wnd zn u.s u.s.a v.chr n.chr chr
            a.u.b s.v.p
            """,
        ),
    ),
    elided="s t n k m r ie em",
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
)
