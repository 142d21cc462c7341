"""German."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Abbreviation, Group, Language

GERMAN: Final = Language(
    code="de",
    name="German",
    groups=(
        Group(
            "titles",
            Abbreviation.TITLE,
            "CLDR 46 sentence-break suppressions (de); Duden, list of abbreviations",
            """
            dr prof hr hrn fr frl ing dipl dipl.-ing dipl.-kfm mag med st stud frhr gebr dir phil jur nat rer habil pat
            gen maj hptm kard fräul univ.-prof dipl.-inf dipl.-phys dipl.-psych dipl.-bw dipl.-chem dipl.-math priv.-doz
            pd doz ao.prof o.prof emer vet theol oec rer.nat rer.pol dr.med dr.phil dr.jur dr.-ing dr.rer.nat dent pharm
            agr iur oblt ltn hauptm ofw fw uffz stuffz stfw gefr obergefr genlt genmaj brig.gen adm korv.kpt kpt kptlt
            reg.-rat präs vors vizepräs bgm obgm sr p mgr msgr ehrw bisch ebf bf hl hll geschw gf vj freifr insp kommiss
            hofr ghzgl kgl kais nob exz prim univ mdg ra ra'in stb wp bürgerm abg minr pfr lic mmag dipl.-päd obl olt
            kapt r.a dres mssr
            """,
        ),
        Group(
            "ahead of a number or a label",
            Abbreviation.NUMBER,
            "CLDR 46 sentence-break suppressions (de); Duden",
            """
            nr art abs s bd bde kap abb tab fig ziff § aufl jg zeile anm rn rdnr tel hs lfd abschn absch anh anlg aufz
            ausz beibl beisp bl buchst diagr erg.bd gl gr hj lekt nrn num par pos randnr rz taf teilbd th üb vers z zf
            bearb hnr whg og eg stg plz pf postf vol vv nos no pp quart kal.-w tgb az drs bt-drs sek bsp tz urt teilb
            ersch blg
            """,
        ),
        Group(
            "connecting",
            Abbreviation.NEVER,
            "CLDR 46 sentence-break suppressions (de); Duden",
            """
            z.b bzw d.h vgl evtl ggf ca u.a u.ä u.u i.d.r i.a o.ä o.g s.o s.u sog bspw bes einschl inkl exkl insb insbes
            gem lt bzgl betr ggü z.t z.z z.zt z.hd n.chr v.chr v chr m.e u a.a.o a.d allg ehem eigtl entspr geb gest
            näml o.a urspr vorm zzgl zw abzgl vs mind max abw röm kath evang ev d.i d.s d.ä d.j u.z u.zw u.d.t u.e u.s.f
            ugs i.w.s i.e.s i.e i.h.v i.s.v i.s.d i.v.m i.z.m i.b i.f i.h i.j i.r i.s i.v i.w i.allg i.d.f i.ü a.a a.o
            a.g a.d.s b.a b.w c.t s.t e.h erf f.d h.c hins jew jmd jmdm jmdn jmds k.a k.u.k l.t m.a.w m.w m.w.n n.a n.b
            n.j o.dgl o.e o.j o.n o.t o.u o.v p.a p.m p.s r.g s.a s.g s.l s.str tw teilw überh übl unbek ungef ungen unv
            v.a v.a.w v.h v.l v.d v.u wg wvl z.d.a z.k z.n z.s z.w zz zzt zuz zus evt eventl exempl übertr verb versch
            vermutl vorl vorw mhd ahd nhd norw dän schwed poln ungar tschech türk niederl arab hebr chin bayr schwäb u.d
            s.r vglw zul n.v b.z.w
            """,
        ),
        Group(
            "often the last word",
            Abbreviation.ENDING,
            "Duden",
            """
            usw etc u.v.m u.s.w usf uvm ff gmbh co inc ltd e.v mio mrd jh jhd jhdt str o.b u.dgl u.dgl.m u.a.m u.ä.m
            dgl.m ag ohg gbr kgaa mbh e.g e.k e.kfr sarl s.a.r.l ltda corp plc bros gmbh&co rd nachf bhf m.b.h v.j d.m
            v.m
            """,
        ),
        Group(
            "measures",
            Abbreviation.ENDING,
            "Duden, list of abbreviations; SI Brochure",
            """
            min std stck stk km kg cm mm ml ltr mg qm kw kwh ccm cbm pfd ztr tsd mill tl el pck pkg msp grad
            """,
        ),
        Group(
            "months and days",
            Abbreviation.OFTEN,
            "CLDR 46 sentence-break suppressions (de)",
            """
            Jan Feb Mär Apr Jun Jul Aug Sep Sept Okt Nov Dez Mo Di Mi Do Fr Sa So Jän
            """,
        ),
        Group(
            "everyday use",
            Abbreviation.OFTEN,
            "CLDR 46 sentence-break suppressions (de); Duden",
            """
            abt adr akad allgem amtl anl anz apl ausg bed begr beil ber best bez bibl dat dgl dt ebd einh engl erg erl
            erw fa fam folg forts franz frz geogr ges gesch gez griech hbf hg hrsg inh int ital jr kfm kl konv lat led
            lit masch möbl mtl mus obj op orig österr pl prot prov proz qu reg rel rep russ schr schw schweiz sen span
            spez staatl stv stellv südd tägl temp u.s u.s.a verf verh veröff verw wiss zit zt abk abl adv afr agg amerik
            angew anat antiq arch archit asym attr ausgespr ausw bauw begl beif bek bergm berl bev biol bürg christl
            chem chir darst dtsch disp ehel eidg elektr empf erdk etw europ ev.-luth exp fachspr fem finn flugw forstw
            fotogr funktechn geol geom germ gesundh gewöhnl herst hess hist hochd hochw holl idg jüd kfz kulin landw
            landsch ling luth math mdal meteor mex mil mitt mod mundartl myth naturw neutr niederd nördl nordd öffentl
            ökol östl päd pers philos phon phys plattd poet polit postw präp psych rechtsspr rechtsw relig rhet sächs
            scherzh schles schott schül seem semit serb skand slaw soziol spr sprachw süddt südl südwestd subst stat
            synt techn textil ung uspr verächtl verkehrsw volksk volkst vulg wahrsch westl werbespr wirtsch zahnm zool
            zentr
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
    units="""
        min std sek stck stk st m a g l t el tl pf pfd ltr h p bar grad
        """,
    contractions="""
        s n ne nen nem ner nes ran rauf raus rein rüber rum runter nauf naus nunter nüber is isn ner's tschuldigung
        tschuldige schuldigung türlich
        """,
    suffixes="str pl",
)
