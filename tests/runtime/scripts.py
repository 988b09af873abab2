"""Scripts with what they write, as busybox 1.35 on Linux has it; both streams are one where the script says so."""

COMMANDS = {
    "echo": (r"echo -n a; echo -e 'x\ty'; echo -E 'a\tb'; echo -ne 'q\cz'; echo; echo -- -n", "ax\ty\na\\tb\nq\n-- -n\n"),
    "printf": (
        r"printf '%s-%d\n' a 1 b 2; printf '%5s|%-5s|%05d|%x|%o|%c\n' a b 42 255 8 xyz; printf '%.2f %g%%\n' 3.14159 0.1",
        "a-1\nb-2\n    a|b    |00042|ff|10|x\n3.14 0.1%\n",
    ),
    "printf of escapes": (r"printf '\101\x41\n%b' 'a\nb\n'; printf '%d\n' x 2>/dev/null; echo $?", "AA\na\nb\n0\n1\n"),
    "seq": ("seq 2; seq 3 -1 2; seq -s, 3; seq -w 9 10; seq 0.5 0.5 1; seq 5 1", "1\n2\n3\n2\n1,2,3\n09\n10\n0.5\n1.0\n"),
    "yes ends with its reader": ("yes a b | head -n 2; echo $?", "a b\na b\n0\n"),
    "head": ("seq 20 | head -n 1; seq 5 | head -2; seq 4 | head -n -2; printf abc | head -c 2", "1\n1\n2\n1\n2\nab"),
    "tail": ("seq 20 | tail -n 1; seq 5 | tail -2; seq 5 | tail -n +4; printf abc | tail -c 2", "20\n4\n5\n4\n5\nbc"),
    "titles": ("echo 1 > a; echo 2 > b; head a b; tail -qn1 a b", "==> a <==\n1\n\n==> b <==\n2\n1\n2\n"),
    "cat": (
        "echo in | cat; echo x > f; echo - | cat f -; cat -n f; cat nope 2>&1; echo $?",
        "in\nx\n-\n     1\tx\ncat: can't open 'nope': No such file or directory\n1\n",
    ),
    "wc": (
        r"printf 'a b\nc\n' > f; wc f; wc -l < f; wc -l f; wc -c f f",
        "        2         3         6 f\n2\n2 f\n        6 f\n        6 f\n       12 total\n",
    ),
    "sort": (
        r"printf '3\n10\n2\n' | sort; printf '3\n10\n2\n' | sort -rn; printf 'a:2\nb:1\na:2\n' | sort -u -t: -k2n",
        "10\n2\n3\n10\n3\n2\nb:1\na:2\n",
    ),
    "cut": (
        "echo a:b:c | cut -d: -f1,3; echo abcdef | cut -c2-4; echo abcdef | cut -b -2; echo no | cut -s -d: -f1; cut 2>&1",
        "a:c\nbcd\nab\ncut: expected a list of bytes, characters, or fields\n",
    ),
    "tr": (
        "echo hello | tr a-y b-z; echo hello | tr -d l; echo aabb | tr -s ab; echo a1b | tr -cd '[:alpha:]'; echo | tr '\\n' .",
        "ifmmp\nheo\nab\nab.",
    ),
    "grep": (
        r"printf 'one\nTwo\nthree\n' > f; grep -n e f; grep -ci TWO f; grep -v e f; grep -q x f; echo $?; "
        r"grep x nope 2>&1; echo $?",
        "1:one\n3:three\n1\nTwo\n1\ngrep: nope: No such file or directory\n2\n",
    ),
    "kinds of pattern": (
        r"printf 'a+b\naab\n' > f; grep 'a+b' f; grep -E 'a+b' f; grep 'a\{2\}' f; grep -F +b f; "
        r"grep -oe ab -e '[+]' f; grep -x aa f",
        "a+b\naab\naab\na+b\n+\nab\n",
    ),
    "mkdir and rmdir": (
        "mkdir a; mkdir a 2>&1; echo $?; mkdir -p x/y; rmdir x 2>&1; rmdir x/y x; mkdir -m 700 m; ls -ld m | cut -c1-10; ls",
        "mkdir: can't create directory 'a': File exists\n1\nrmdir: 'x': Directory not empty\ndrwx------\na\nm\n",
    ),
    "rm": (
        "touch f; mkdir -p d/e; rm f; rm f 2>&1; echo $?; rm -f f; echo $?; rm d 2>&1; rm -r d; ls",
        "rm: can't remove 'f': No such file or directory\n1\n0\nrm: 'd' is a directory\n",
    ),
    "cp and mv": (
        "echo 1 > f; cp f g; mv g h; cat h; mkdir d; cp f h d; ls d; cp d e 2>&1; cp -r d e; mv e/f e/z; "
        "ls e; mv no x 2>&1; cp no x 2>&1",
        "1\nf\nh\ncp: omitting directory 'd'\nh\nz\nmv: can't rename 'no': No such file or directory\n"
        "cp: can't stat 'no': No such file or directory\n",
    ),
    "ls": (
        "mkdir d; touch d/x .h b a; ln -s a l; ls; ls -A; ls d a; ls -d d; ls -l l | cut -c1-10; ls no 2>&1; echo $?",
        "a\nb\nd\nl\n.h\na\nb\nd\nl\na\n\nd:\nx\nd\nlrwxrwxrwx\nls: no: No such file or directory\n1\n",
    ),
    "touch": ("touch f no/f 2>&1; echo $?; touch -c g; ls", "touch: no/f: No such file or directory\n1\nf\n"),
    "test": (
        "for e in '1 -eq 1' 'a = b' '-z' '-n x -a 1 -lt 2' '! -e no' '-d . -o -f .' '( 1 -gt 2 )' 'x -eq 1' '!' ''; "
        'do test $e 2>/dev/null; echo -n "$? "; done; [ 1 = 1 2>/dev/null; echo $?',
        "0 1 0 0 0 0 1 2 0 1 2\n",
    ),
    "test of files": (
        "touch e; echo > f; mkdir d; ln -s f l; "
        "for t in '-f e' '-s e' '-s f' '-d d' '-L l' '-L f' '-f l' '-x e' '-x d' 'e -ot no'; "
        'do test $t; echo -n "$? "; done; echo',
        "0 1 0 0 0 1 0 1 0 1 \n",
    ),
    "id": (
        "id; id -u; id -gn; id ada; id -G ada; id no 2>&1; whoami",
        "uid=0(root) gid=0(root)\n0\nroot\nuid=1000(ada) gid=1001(staff) groups=1001(staff),10(wheel)\n1001 10\n"
        "id: unknown user no\nroot\n",
    ),
    "env": (
        "env -i A=1 /bin/env; env A=2 sh -c 'echo $A'; env no 2>&1; echo $?",
        "A=1\n2\nenv: can't execute 'no': No such file or directory\n127\n",
    ),
    "date": (
        "date -u -d @0 +%F_%T; date -u -d @86400; date +%s | wc -c",
        "1970-01-01_00:00:00\nFri Jan  2 00:00:00 UTC 1970\n11\n",
    ),
    "sleep": ("sleep 0 0.01; echo $?; sleep x 2>&1; echo $?", "0\nsleep: invalid number 'x'\n1\n"),
    "kill": (
        "sleep 9 & kill $!; wait $! 2>/dev/null; echo $?; kill -l 9; kill -l TERM; kill 9999 2>/dev/null; echo $?",
        "143\nKILL\n15\n1\n",
    ),
    "busybox itself": ("busybox echo hi; busybox no 2>&1; echo $?", "hi\nno: applet not found\n127\n"),
}

LANGUAGE = {
    "variables": (
        "x=1; y='a b'; echo \"$x\" '$x' \\$x $y; set -- $y; echo $# $1 \"$@\"; A=1 sh -c 'echo $A'; echo [$A]",
        "1 $x $x a b\n2 a a b\n1\n[]\n",
    ),
    "parameters": (
        "b=f.tar.gz; a=; echo ${a:-d} [${a-d}] ${b:+s} ${#b} ${b%.*} ${b%%.*} ${b#*.} ${b##*.} ${u:=n} $u",
        "d [] s 8 f.tar f tar.gz gz n n\n",
    ),
    "arithmetic": ("i=4; echo $((1+2*3)) $((10/3)) $((-7%3)) $((1<<i)) $((i>3&&i<5)) $((i==4?7:8))", "7 3 -1 16 1 7\n"),
    "loops": (
        "for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done; "
        "while [ $i -gt 2 ]; do i=$((i-1)); done; until [ $i = 5 ]; do i=$((i+1)); done; echo $i",
        "1\n3\n5\n",
    ),
    "case and if": (
        "case abc in b*) echo b;; a*|x) echo a;; esac; case y in a) ;; esac; echo $?; if false; then :; "
        "elif true; then echo e; else echo n; fi",
        "a\n0\ne\n",
    ),
    "functions": ("f() { local v=in; echo $v $1; return 5; }; v=out; f x; echo $? $v", "in x\n5 out\n"),
    "substitution": ("echo $(echo a; echo b) `echo c`; x=$(false); echo $?; echo \"$(printf 'a\\n\\n')\"", "a b c\n1\na\n"),
    "pipelines": (
        "printf 'a b\\nc\\n' | while read p q; do echo \"$p/$q\"; done; false | true; echo $?; ! true; echo $?",
        "a/b\nc/\n0\n1\n",
    ),
    "redirections": (
        "{ echo a; echo b >&2; } > f 2>&1; cat < f; echo c >> f; exec 4> g; echo d >&4; exec 4>&-; cat f g; "
        "echo x 2>/dev/null >&9; echo $?",
        "a\nb\na\nb\nc\nd\n1\n",
    ),
    "here-documents": ("cat <<E\n$((1+1))\nE\ncat <<'E'\n$x\nE\ncat <<-E\n\ttab\n\tE\n", "2\n$x\ntab\n"),
    "file names": (
        'touch a1 a2 b; echo *; echo a?; echo [!a]*; echo z*; echo "*"; set -f; echo *',
        "a1 a2 b\na1 a2\nb\nz*\n*\n*\n",
    ),
    "fields": (
        'IFS=:; set -- $(echo a:b::c); echo $# $2; IFS=,; echo "$*"; '
        "echo ' a  b ' | while IFS= read -r x; do echo \"[$x]\"; done",
        "4 b\na,b,,c\n[ a  b ]\n",
    ),
    "subshells": ("x=1; (x=2; cd /etc; pwd; exit 3); echo $? $x; { x=4; }; echo $x", "/etc\n3 1\n4\n"),
    "children see what was, not what is": ("for i in 1 2 3; do (sleep 0.0$i; echo $i) & done; i=9; wait", "1\n2\n3\n"),
    "jobs": ("(exit 3) & wait $!; echo $?; sleep 0.01 & wait; echo $?", "3\n0\n"),
    "ends by signals": ("sh -c 'kill -9 $$' 2>/dev/null; echo $?; sh -c 'kill -TERM $$' 2>/dev/null; echo $?", "137\n143\n"),
    "traps": ("trap 'echo usr' USR1; trap 'echo bye' EXIT; kill -USR1 $$; echo here; exit 3", "usr\nhere\nbye\n"),
    "ignored signals stay ignored": ("trap '' TERM; sh -c 'kill -TERM $$; echo alive'", "alive\n"),
    "errexit": ("(set -e; if false; then :; fi; false || true; ! true; echo on; false; echo off); echo $?", "on\n1\n"),
    "nounset": ("(set -u; echo $nope; echo off) 2>/dev/null; echo $?", "2\n"),
    "what is not there": (
        "no 2>/dev/null; echo $?; /bin/no 2>/dev/null; echo $?; /etc/passwd 2>/dev/null; echo $?; . /no 2>/dev/null; echo off",
        "127\n127\n126\n",
    ),
    "eval, exec and the dot": (
        "eval 'echo e $((1+1))'; echo 'v=1; echo s' > s; . ./s; echo $v; exec echo last; echo off",
        "e 2\ns\n1\nlast\n",
    ),
    "mistakes": ("sh -c 'if; then' 2>/dev/null; echo $?; sh -c 'echo \"x' 2>/dev/null; echo $?", "2\n2\n"),
    "scripts": ("printf '#!/bin/sh\\necho $0 $1\\n' > s; chmod=1; umask 0; sh s a; umask; pwd | wc -c", "s a\n0000\n6\n"),
}
