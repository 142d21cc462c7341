"""German."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Group, Kind, Language

GERMAN: Final = Language(
    code="de",
    name="German",
    groups=(
        Group(
            "titles",
            Kind.TITLE,
            "CLDR 46 sentence-break suppressions (de); Duden, list of abbreviations",
            """
            dr prof hr hrn fr frl ing dipl dipl.-ing dipl.-kfm mag med st stud frhr gebr dir phil jur
            nat rer habil pat gen maj hptm kard
            präs vors min.-dir bgm bürgerm abg minr pfr lic mmag univ.-prof dipl.-päd obl olt fw
            uffz gefr kapt r.a ra dr.-ing dres mssr
            """,
        ),
        Group(
            "ahead of a number or a label",
            Kind.NUMBER,
            "CLDR 46 sentence-break suppressions (de); Duden",
            """
            nr art abs s bd bde kap abb tab fig ziff § aufl jg zeile anm rn rdnr tel sek hs lfd
            abschn bsp aufg tz urt vers nrn beisp teilb tl hnr plz ersch blg
            """,
        ),
        Group(
            "connecting",
            Kind.NEVER,
            "CLDR 46 sentence-break suppressions (de); Duden",
            """
            z.b bzw d.h vgl evtl ggf ca u.a u.ä u.u i.d.r i.a o.ä o.g s.o s.u sog bspw bes einschl inkl
            exkl insb insbes gem lt bzgl betr ggü z.t z.z z.zt z.hd n.chr v.chr v chr m.e u a.a.o a.d
            allg ehem eigtl entspr geb gest näml o.a urspr vorm zzgl zw abzgl vs mind max min abw röm
            kath evang ev
            i.e e.g d.i i.allg i.e.s i.w.s m.a.w m.w u.dgl u.d o.dgl s.a s.l s.r u.zw vglw zul v.a v.h
            u.z n.v m.b.h b.z.w wg
            """,
        ),
        Group(
            "often the last word",
            Kind.ENDING,
            "Duden",
            """
            usw etc u.v.m u.s.w usf uvm ff gmbh co inc ltd e.v std mio mrd jh jhd jhdt str o.b
            tsd u.a.m u.dgl.m Co hj qm etw k.a i.r d.j v.j n.j d.m v.m
            """,
        ),
        Group(
            "months and days",
            Kind.NEVER,
            "CLDR 46 sentence-break suppressions (de)",
            """
            Jan Feb Mär Apr Jun Jul Aug Sep Sept Okt Nov Dez Mo Di Mi Do Fr Sa So Jän
            """,
        ),
        Group(
            "everyday use",
            Kind.OFTEN,
            "CLDR 46 sentence-break suppressions (de); Duden",
            """
            abt adr akad allgem amtl anl anz apl ausg bed begr beil ber best bez bibl dat dgl dt ebd
            einh engl erg erl erw fa fam folg forts franz frz geogr ges gesch gez griech hbf hg hrsg inh
            int ital jr kfm kl konv lat led lit masch möbl mtl mus obj op orig österr pl prot prov proz
            qu reg rel rep russ schr schw schweiz sen span spez staatl stv stellv südd tägl temp u.s
            u.s.a verf verh veröff verw wiss zit zt
            """,
        ),
    ),
    starters="""
        der die das ein eine einer er sie es wir ich ihr du man und aber doch denn wenn als da dann dort hier
        heute gestern morgen jetzt nun so auch nur noch schon nach vor bei mit in im am an auf aus für von zu
        zum zur über unter seit während trotz wegen was wer wie wo warum wann welche welcher welches dieser
        diese dieses jeder jede jedes alle viele einige manche mein meine dein deine sein seine unser unsere
        kein keine nicht ist sind war waren hat haben kann können bitte ja nein daher deshalb außerdem
        allerdings jedoch zudem danach zuerst schließlich ob weil damit dabei dazu darum ferner
        """,
    ordinal=True,
    short="""
        ab am an auf aus bei da du er es hat her hin ich ihr im in ist ja man mit nur ob so tag tun um uns vor
        war was weg wem wen wer wie wir wo zu zum zur ort see eis uhr rat rad gut neu alt jahr nah weh tor tür
        arm hut mut zug los nie nun gar sie ihm ihn der die das
        """,
    loose="""
        der die das den dem des ein eine einen einem einer eines und oder aber in im am an auf aus bei mit
        nach von vor zu zum zur über unter für durch um als wie dass wenn weil ob ist sind war hat haben
        werden wird nicht auch nur sich
        """,
    exclaimed="""
        yahoo joomla
        """,
    reporting="""
        sagte sagt fragte fragt rief ruft antwortete erwiderte meinte flüsterte schrie dachte er sie und
        """,
    counted="""
        nr nummer seite kapitel abschnitt schritt teil stufe klasse zimmer artikel absatz bild tabelle version
        tag woche punkt
        """,
)
