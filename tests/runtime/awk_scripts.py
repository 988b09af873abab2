"""Scripts of awk with what they write, as busybox 1.35 has it."""

AWK = {
    "records and fields": (
        r"printf 'alice 30 paris\nbob 25 rome\ncarol 41 paris\n' > f; awk '{print $1, $3}' f; "
        """awk '$2>26 {print NR": "$0}' f; awk '/rome/' f; awk 'NR==2,NR==3 {print $NF}' f; """
        "awk 'END{print $0, NF}' f",
        "alice paris\nbob rome\ncarol paris\n1: alice 30 paris\n3: carol 41 paris\nbob 25 rome\nrome\nparis\ncarol 41 paris 3\n",
    ),
    "sums and counts": (
        r"printf 'alice 30 paris\nbob 25 rome\ncarol 41 paris\n' > f; awk '{s+=$2; "
        """c[$3]++} END{print s, s/NR; for(k in c) print k, c[k] | "sort"}' f; awk '!seen[$3]++' f""",
        "96 32\nparis 2\nrome 1\nalice 30 paris\nbob 25 rome\n",
    ),
    "separators": (
        "echo a:b::c | awk -F: '{print NF, $2}'; echo 'a,b;c' | awk -F'[,;]' '{print $2 $3}'; "
        "echo 'a|b' | awk -F'|' -v OFS=- '{$1=$1; print; print $2}'; "
        """echo abc | awk 'BEGIN{FS=""} {print NF, $2}'""",
        "4 b\nbc\na-b\nb\n3 b\n",
    ),
    "other records": (
        r"""printf 'a b\nc\n\n\nd e\n' | awk 'BEGIN{RS=""}{print NR": "$1"|"$NF}'; """
        r"""printf 'a;b;c\n' | awk 'BEGIN{RS=";"}{print NR, $0}'; printf 'a12b3c' | awk 'BEGIN{RS="[0-9]+"; """
        """ORS=","}1'; echo""",
        "1: a|c\n2: d|e\n1 a\n2 b\n3 c\n\na,b,c,\n",
    ),
    "fields that change": (
        """echo 'a b c' | awk '{$5="x"; print; print NF; NF=2; print; $2=""; print; $0="new line"; """
        "print $2, NF}'",
        "a b c  x\n5\na b\na \nline 2\n",
    ),
    "numbers": (
        "awk 'BEGIN{print 1+2*3, -7%3, 2-1-1, 10/4, 1e6, 1e20, 0.1+0.2, 100000*100000, 1/3, 017, "
        """"0x11"+0, "3x"+1, 1e3, .5}'""",
        "7 -1 0 2.5 1000000 1e+20 0.3 10000000000 0.333333 15 17 4 1000 0.5\n",
    ),
    "comparisons": (
        """awk 'BEGIN{print !x, 1==1.0, "a"<"b", "10"<"9", 10<9, x==0, x==""}'; """
        """echo '10 9' | awk '{print ($1>$2), ($1>"9"), $1==10.0}'""",
        "1 1 1 1 0 1 1\n1 0 1\n",
    ),
    "assignments": (
        "awk 'BEGIN{x=5; x+=2; x-=1; x*=3; x/=2; x%=5; print x; print x++ + ++x, x--, --x; y=z=3; "
        """print y z, y>2 ? "more" : "less"}'; cat 2""",
        "4\n10 6 4\ncat: can't open '2': No such file or directory\n",
    ),
    "texts": (
        """awk 'BEGIN{print substr("hello",0), substr("hello",-1,3), substr("hello",2,3), """
        """index("abc","c"), length("four"), toupper("ab") tolower("CD")}'""",
        "hello hel ell 3 4 ABcd\n",
    ),
    "expressions": (
        r"""awk 'BEGIN{r="^a.c$"; if ("abc" ~ r) print "m"; if ("a/c" !~ /a\/b/) print "n"; """
        """print match("xxabbc",/b+/), RSTART, RLENGTH, match("x",/y/), RLENGTH}'""",
        "m\nn\n4 4 2 0 -1\n",
    ),
    "sub and gsub": (
        r"""awk 'BEGIN{s="aaa"; print gsub(/a/,"[&]",s), s; print sub(/\[/,"\\&",s), s; t="hello"; """
        """gsub(/l*/,"-",t); print t}'; echo a.b | awk '{gsub("[.]", "-")} 1'""",
        "3 [a][a][a]\n1 &a][a][a]\n-h-e--o-\na-b\n",
    ),
    "split": (
        """awk 'BEGIN{print split("a:b:c",p,":"), p[3]; print split("",p), length(p); """
        """print split(" a  b ",p), p[1]; print split("a1b22c",r,/[0-9]+/), r[3]}'""",
        "3 c\n0 0\n2 a\n3 c\n",
    ),
    "awk's printf": (
        r"""awk 'BEGIN{printf "%c%c %5.2f|%-5s|%05d %x %e %s %d%%\n", 65, "hello", 3.14159, "ab", 42, 255, """
        r"""12345.678, 1e6, "12abc"; printf("%s %s|\n", "a")}'""",
        "Ah  3.14|ab   |00042 ff 1.234568e+04 1000000 12%\na |\n",
    ),
    "arrays": (
        """awk 'BEGIN{a[1,2]=3; for(k in a){split(k,p,SUBSEP); print p[1],p[2]} if((1,2) in a) print "in"; """
        """delete a[1,2]; print length(a); b["x"]; delete b; print length(b)}'""",
        "1 2\nin\n0\n0\n",
    ),
    "functions of one's own": (
        "awk 'function f(n){return n<2?1:n*f(n-1)} function g(a,k,l){a[k]=1; l=5} BEGIN{print f(5); "
        """g(new,"z"); for(k in new) print k; print l}'""",
        "120\nz\n\n",
    ),
    "awk's loops": (
        """awk 'BEGIN{while(i<5){i++; if(i==2)continue; if(i==4)break; print i} do{print "d" i; """
        "i--}while(i>2); for(;;){if(j++>2)break}; for(i=0;i<2;i++) for(;;) break; print i, j}'",
        "1\n3\nd4\nd3\n2 4\n",
    ),
    "getline": (
        r"""printf '1\n2\n3\n' > f; awk 'BEGIN{while((getline l < "f")>0) n+=l; print n; close("f"); """
        """getline < "f"; print; "echo hi" | getline x; print x; print (getline y < "/nope")}'; """
        "awk '{getline; print; getline v; print v, NR}' f",
        "6\n1\nhi\n-1\n2\n3 3\n",
    ),
    "outputs": (
        r"""awk 'BEGIN{print "b\na" | "sort"; close("sort"); print "x" > "out"; print "y" >> "out"; """
        """close("out"); while((getline z<"out")>0) print z; print system("echo sys; exit 3")}'""",
        "a\nb\nx\ny\nsys\n3\n",
    ),
    "next and exit": (
        r"""printf '1\n2\n3\n' > f; awk 'NR==1{next} {print} NR==2{exit 4} END{print "end"}' f; echo $?; """
        """awk '{nextfile} END{print NR}' f f; awk 'BEGIN{exit} END{print "e"}'; """
        "awk 'BEGIN{exit 3} END{exit}'; echo $?",
        "2\nend\n4\n2\ne\n3\n",
    ),
    "awk's command line": (
        "echo 'x y' > p; echo '{print $2 v}' > prog; awk -v v=1 -f prog p v=2 p; "
        r"awk -v 's=a\tb' 'BEGIN{print s, ARGC, ARGV[1]}' foo; awk -- '{print FILENAME, FNR}' p p; "
        "echo in | awk '{print $1}' -; awk 2>&1 | grep Usage",
        "y1\ny2\na\tb 2 foo\np 1\np 1\nin\nUsage: awk [OPTIONS] [AWK_PROGRAM] [FILE]...\n",
    ),
    "awk's mistakes": (
        "awk '{print}' /nope 2>&1; echo $?; "
        """for p in 'BEGIN{print 1/0}' 'BEGIN{print (1}' 'BEGIN{' 'BEGIN{f(1)}' 'BEGIN{print "a}'; """
        'do awk "$p" 2>&1; echo $?; done; awk -x 2>&1 | head -n 1',
        "awk: /nope: No such file or directory\n1\nawk: cmd. line:1: Division by zero\n1\nawk: cmd. line:1: "
        "Unexpected token\n1\nawk: cmd. line:1: Unexpected token\n1\nawk: cmd. line:1: Call to undefined "
        "function\n1\nawk: cmd. line:1: Unexpected end of string\n1\nawk: invalid option -- 'x'\n",
    ),
    "awk's lines": (
        """awk 'BEGIN { if (1) print "y"; else print "n"\n  if (0)\n    print "n"\n  else # not\n    print "z" """
        "}\n\nEND { print \\\n  NR }' </dev/null",
        "y\nz\n0\n",
    ),
}
