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
    "wc of what comes in pieces": (
        r"{ printf 'one tw'; sleep .1; printf 'o three\nlonger '; sleep .1; printf ' x'; } | wc; printf 'a\nabc\nab' | wc -L",
        "        1         5        23\n3\n",
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
        "id; id -u; id -gn; id ada; id -G ada; id no 2>&1; whoami; echo $HOME",
        "uid=0(root) gid=0(root)\n0\nroot\nuid=1000(ada) gid=1001(staff) groups=1001(staff),10(wheel)\n1001 10\n"
        "id: unknown user no\nroot\n/root\n",
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
        "sleep 99 & kill $!; wait $! 2>/dev/null; echo $?; kill -l 9; kill -l TERM; kill 9999 2>/dev/null; echo $?",
        "143\nKILL\n15\n1\n",
    ),
    "sed": (
        r"seq 5 > f; sed -n 2p f; sed '2,4d' f; sed -n -e '$p' -e '/[23]/p' f; "
        "sed '/2/,/3/s/[0-9]/<&>/' f | head -n 3; sed '3!d' f; sed 2q f",
        "2\n1\n5\n2\n3\n5\n1\n<2>\n<3>\n3\n1\n2\n",
    ),
    "sed's substitutions": (
        r"echo aXbXc | sed 's/X/-/'; echo aXbXc | sed 's,X,/,g'; echo ab | sed 's/\(a\)\(b\)/\2\1/'; "
        r"echo ab | sed -E 's/(a)(b)/\2+\1/'; echo Ab | sed -n 's/a/z/Ip'; "
        r"sed s/a f 2>&1; echo $?; sed k f 2>&1; sed p nope 2>&1; echo $?",
        "a-bXc\na/b/c\nba\nb+a\nzb\nsed: unmatched '/'\n1\nsed: unsupported command k\nsed: nope: No such file or directory\n1\n",
    ),
    "tee, tac and uniq": (
        r"seq 2 | tee a b; cat a b; echo 3 | tee -a a; cat a; echo x | tee no/f 2>&1; echo $?; tac a; "
        r"printf 'a\na\nb\na\n' | uniq -c; printf 'a\na\nb\n' | uniq -d; printf 'a\na\nb\n' | uniq -u; uniq nope 2>&1",
        "1\n2\n1\n2\n1\n2\n3\n1\n2\n3\ntee: no/f: No such file or directory\nx\n1\n3\n2\n1\n"
        "      2 a\n      1 b\n      1 a\na\nb\nuniq: can't open 'nope': No such file or directory\n",
    ),
    "xargs": (
        r"seq 3 | xargs; seq 3 | xargs -n 2 echo -; printf '' | xargs echo none; printf '' | xargs -r echo none; "
        r"echo a | xargs no 2>/dev/null; echo $?; echo 1 | xargs sh -c 'exit 5'; echo $?",
        "1 2 3\n- 1 2\n- 3\nnone\n127\n123\n",
    ),
    "basename and dirname": (
        "basename /a/b.c .c; basename a/; basename /; dirname /a/b; dirname a; dirname /a; dirname a/b/",
        "b\na\n/\n/a\n.\n/\na\n",
    ),
    "readlink and which": (
        "ln -s f l; readlink l; readlink f; echo $?; readlink -f l; which sh; which nosuch; echo $?",
        "f\n1\n/work/f\n/bin/sh\n1\n",
    ),
    "od": (
        r"printf 'hello\nworld\0\377abcdefghijklmnop' > f; od f; od -c f; od -An -tx1 -N 5 -j 3 f; od -A d -t d2 -tu4 f; "
        "od -Ax -ta -w8 f; head -c 64 /dev/zero | od -x; od nope 2>&1; echo $?",
        "0000000 062550 066154 005157 067567 066162 000144 060777 061542\n"
        "0000020 062544 063546 064550 065552 066554 067556 000160\n0000035\n"
        "0000000   h   e   l   l   o  \\n   w   o   r   l   d  \\0 377   a   b   c\n"
        "0000020   d   e   f   g   h   i   j   k   l   m   n   o   p\n0000035\n"
        " 6c 6f 0a 77 6f\n"
        "0000000  25960  27756   2671  28535  27762    100  25087  25442\n"
        "        1819043176 1870072431    6581362 1667391999\n"
        "0000016  25956  26470  26984  27498  28012  28526    112      0\n"
        "        1734763876 1802135912 1869507948        112\n0000029\n"
        "000000   h   e   l   l   o  nl   w   o\n000008   r   l   d nul del   a   b   c\n"
        "000010   d   e   f   g   h   i   j   k\n000018   l   m   n   o   p\n00001d\n"
        "0000000 0000 0000 0000 0000 0000 0000 0000 0000\n*\n0000100\nod: nope: No such file or directory\n1\n",
    ),
    "killall": (
        "sleep 99 & until killall -q sleep; do sleep 0.1; done; wait $! 2>/dev/null; echo $?; "
        "killall nope 2>&1; echo $?; killall -q nope; echo $?; killall 2>&1",
        "143\nkillall: nope: no process killed\n1\n1\nkillall: you need to specify whom to kill\n",
    ),
    "timeout": (
        "{ timeout 99 sh -c 'exit 3'; echo $?; timeout 0.1 sleep 9; echo $?; timeout -s KILL 0.1 sleep 9; echo $?; } 2>/dev/null",
        "3\n143\n137\n",
    ),
    "expr": (
        r"expr 1 + 2 \* 3; expr 7 / 2 - 7 % 4; expr -7 / 2; expr a = a; expr 3 \> 10; expr abc : 'a\(.\)'; expr abc : ab; "
        r"expr length hello; expr substr hello 2 3; expr index hello l; expr '' \| x; expr 1 \& 0; expr \( 1 + 2 \) \* 3; "
        r"expr 0; echo $?; for e in '1 / 0' '1 +' 'a + 1' ''; do expr $e 2>&1; echo $?; done",
        "7\n0\n-3\n1\n0\nb\n2\n5\nell\n3\nx\n0\n9\n0\n1\nexpr: division by zero\n2\nexpr: syntax error\n2\n"
        "expr: non-numeric argument\n2\nexpr: too few arguments\n2\n",
    ),
    "find": (
        r"mkdir -p a/b/c; echo x > a/f.txt; touch a/b/g.txt a/b/h; ln -s f.txt a/l; find a | sort; find a -name '*.txt' | sort; "
        "find a -type l; find a/b -type f ! -name h; find a -maxdepth 1 -type f; find a -mindepth 2 -type d; "
        "find a -type d -empty; cd a; find -path './b/*' -type f | sort; find no 2>&1; echo $?; find . -wish 2>&1 | head -n 1",
        "a\na/b\na/b/c\na/b/g.txt\na/b/h\na/f.txt\na/l\na/b/g.txt\na/f.txt\na/l\na/b/g.txt\na/f.txt\na/b/c\na/b/c\n"
        "./b/g.txt\n./b/h\nfind: no: No such file or directory\n1\nfind: unrecognized: -wish\n",
    ),
    "find with actions": (
        r"mkdir -p a/b; touch a/x.txt a/b/y.txt a/b/z; find a -name '*.txt' -exec echo got {} \; | sort; "
        r"find a -type f -exec echo {} + | wc -w; "
        r"find a -name z -exec test -d {} \; -print; find a \( -name z -o -name x.txt \) -type f -print | sort; "
        "find a -name b -prune -o -type f -print; find a -print0 | tr '\\0' ' ' | wc -w; "
        "find a -name z -exec nosuch {} \\; 2>&1; "
        "find a -name z -exec false {} +; echo $?; chmod 640 a/b/z; find a -type f -perm 640; echo abc > a/b/z; "
        "find a -type f -size -1k -size +2c; "
        "find a -iname Z; find a -mtime +1; find a -exec echo {} 2>&1; echo $?",
        "got a/b/y.txt\ngot a/x.txt\n3\na/b/z\na/x.txt\na/x.txt\n5\nfind: nosuch: No such file or directory\n1\na/b/z\n"
        "a/b/z\na/b/z\n"
        "find: -exec requires an argument\n1\n",
    ),
    "owners and modes": (
        "touch a b; mkdir -p d/e; touch d/x; ln -s a l; chown ada a; chown 5:6 b; chown -R ada:wheel d; chown :7 a; "
        "chown -h 4 l; "
        "stat -c '%n %u %g' a b d d/x l; ls -l a | tr -s ' ' | cut -d' ' -f3,4; chown no a 2>&1; chown root:no a 2>&1; echo $?; "
        "chown 1 no 2>&1; chgrp wheel b; chown ada: a; stat -c '%U %G' a b; chmod -R 700 d; chmod u+X,go=r d d/x; chmod g=u a; "
        "stat -c '%n %a' d d/x d/e a; chmod zz a 2>&1; chmod a-x,o+w d/x; umask 077; chmod +w,u=r b; stat -c %a d/x b",
        "a 1000 7\nb 5 6\nd 1000 10\nd/x 1000 10\nl 4 0\nada 7\nchown: unknown user no\nchown: unknown user/group root:no\n1\n"
        "chown: no: No such file or directory\nada staff\nUNKNOWN wheel\nd 744\nd/x 744\nd/e 700\na 664\n"
        "chmod: invalid mode 'zz'\n"
        "646\n444\n",
    ),
    "digests and base64": (
        "echo hi > f; md5sum f; echo hi | sha1sum | cut -c 1-10; sha256sum f > s; sha256sum -c s; echo bye > f; "
        "sha256sum -c s 2>&1; echo $?; "
        "sha512sum no 2>&1; sha256sum -c no 2>&1; echo x | sha256sum -c 2>&1; sha256sum -s -c s; echo $?; "
        "echo hello world | base64; "
        "echo aGVsbG8= | base64 -d; echo; head -c 60 /dev/zero | base64 | head -n 1 | wc -c; base64 no 2>&1",
        "764efa883dda1e11db47671c4a3bbd9e  f\n55ca6286e3\nf: OK\nf: FAILED\n"
        "sha256sum: WARNING: 1 of 1 computed checksums did NOT match\n1\nsha512sum: can't open 'no': No such file or directory\n"
        "sha256sum: no: No such file or directory\nsha256sum: WARNING: 1 of 1 computed checksums did NOT match\n1\n"
        "aGVsbG8gd29ybGQK\nhello\n77\nbase64: no: No such file or directory\n",
    ),
    "grep around and below": (
        "printf 'one\\ntwo\\nthree\\n' > f; grep -A1 one f; grep -B1 three f; grep -C1 two f | wc -l; egrep 'on|tw' f; "
        "fgrep . f; echo $?; "
        "mkdir -p d/e; cp f d/e/g; grep -rn two d; grep -rh two d; grep -rl two . | sort; grep -L one f; grep -L no f; "
        "printf 'one\\nthree\\n' > p; grep -f p f; grep -s x no; echo $?; printf 'a\\nb\\nc\\nd\\ne\\nb\\n' | grep -A1 -n b",
        "one\ntwo\ntwo\nthree\n3\none\ntwo\n1\nd/e/g:2:two\ntwo\n./d/e/g\n./f\nf\none\nthree\n2\n2:b\n3-c\n--\n6:b\n",
    ),
    "sed in place, and its other commands": (
        "printf 'a\\nb\\nc\\n' > f; sed -i 's/b/B/' f; sed -i.bak 1d f; cat f f.bak; sed '1a\\\nnew' f; "
        "sed '1i first' f | head -n 1; "
        "sed '$c last' f; sed 'y/Bc/xy/' f; sed -n '/B/{s/B/q/;p}' f; sed '/B/,$d' f.bak; echo abab | sed 's/b/X/2'; "
        "sed -n '$=' f; "
        "sed = f | sed 'N;s/\\n/ /'; sed G f | wc -l; sed -E 's/(a|c)+/<&>/g' f; echo hello | sed 's/l/\\n/'; "
        "sed ':a;s/^\\(x*\\)y/\\1x/;ta' f; echo yyy | sed ':a;s/y/x/;ta'; sed -n '1!G;h;$p' f.bak; sed '1~2d' f 2>&1; "
        "sed -i p no 2>&1; "
        "sed '/B/b end;s/c/d/;:end' f; printf '1\\n2\\n3\\n' | sed '$!N;P;D'; sed -e 1d -e 's/c/C/' f; "
        "sed 's/[[:space:]]*$//;# no' f; "
        "sed 's,B,/,' f; sed '2q' f.bak",
        "B\nc\na\nB\nc\nB\nnew\nc\nfirst\nB\nlast\nx\ny\nq\na\nabaX\n2\n1 B\n2 c\n4\nB\n<c>\nhe\nlo\nB\nc\nxxx\nc\nB\na\n"
        "sed: unsupported command ~\nsed: no: No such file or directory\nB\nd\n1\n2\n3\nC\nB\nc\n/\nc\na\nB\n",
    ),
    "lines laid out": (
        "printf 'abc\\ndef\\n' | rev; printf 'a\\n\\nb\\n' | nl; printf 'a\\nb\\nc\\n' | paste -s -d,; printf '1\\n2\\n' > x; "
        "printf 'a\\nb\\n' > y; paste x y; paste -d: x y; printf 'abcdefgh\\n' | fold -w 3; seq 3 | shuf | sort; rev no 2>&1",
        "cba\nfed\n     1\ta\n       \n     2\tb\na,b,c\n1\ta\n2\tb\n1:a\n2:b\nabc\ndef\ngh\n1\n2\n3\n"
        "rev: no: No such file or directory\n",
    ),
    "archives": (
        "mkdir -p d/e x; echo 1 > d/f; echo 2 > d/e/g; ln -s f d/l; tar cf a.tar d; tar tf a.tar | sort; "
        "tar xf a.tar -C x; cat x/d/e/g; "
        "readlink x/d/l; tar czf a.tgz d; rm -r x; mkdir x; tar -C x -xzf a.tgz; ls x/d; tar cvf b.tar d/f; tar xvf b.tar; "
        "tar -cf - d/f | tar t; "
        "tar xf no 2>&1; echo $?; tar tf a.tar d/f; tar xf a.tar no 2>&1; echo $?; tar -xOf a.tar d/f; "
        "tar cf c.tar no 2>&1; echo $?; "
        "tar xf a.tar --strip-components=1 -C x; cat x/e/g; echo hi > f; gzip f; gunzip f.gz; cat f; gzip -c f > g.gz; "
        "zcat g.gz; "
        "gzip -dc < g.gz; gzip -k f; ls *.gz; gzip no 2>&1; echo x | gzip | gunzip; gunzip f 2>&1; gzip f 2>&1; echo $?",
        "d/\nd/e/\nd/e/g\nd/f\nd/l\n2\nf\ne\nf\nl\nd/f\nd/f\nd/f\ntar: can't open 'no': No such file or directory\n1\nd/f\n"
        "tar: no: not found in archive\n1\n1\ntar: no: No such file or directory\n"
        "tar: error exit delayed from previous errors\n1\n2\n"
        "hi\nhi\nhi\nf.gz\ng.gz\ngzip: no: No such file or directory\nx\ngunzip: f: unknown suffix - ignored\n"
        "gzip: can't open 'f.gz': File exists\n1\n",
    ),
    "what is where, and who is there": (
        "realpath /etc/../etc/passwd; ln -s /etc/passwd l; realpath l .; realpath no 2>&1; echo $?; readlink -f no; "
        "echo $?; mkdir -p d/e; "
        "du d | cut -f2; du -a d | wc -l; du no 2>&1; groups ada; groups no 2>&1; usleep 1000; setsid echo hi; "
        "sleep 99 & until pidof sleep > pids; do usleep 1000; done; wc -w < pids; "
        "kill $!; pidof no; echo $?; expr $(nproc) \\> 0; wget -q -O - http://no.invalid/x 2>&1; nc 127.0.0.1 1 2>&1; echo $?; "
        "ping -c 1 no.invalid 2>&1",
        "/etc/passwd\n/etc/passwd\n/work\nrealpath: no: No such file or directory\n1\n1\nd/e\nd\n2\n"
        "du: no: No such file or directory\n"
        "staff wheel\ngroups: unknown user no\nhi\n1\n1\n1\nwget: bad address 'no.invalid'\n"
        "nc: can't connect to remote host (127.0.0.1): Connection refused\n1\nping: bad address 'no.invalid'\n",
    ),
    "dd, cmp and truncate": (
        "printf abcdefghij > f; dd if=f bs=4 count=2 2>/dev/null; dd if=f bs=3 skip=1 count=1 status=none; "
        "echo XY | dd of=f bs=1 seek=3 count=2 conv=notrunc 2>/dev/null; cat f; dd if=/dev/zero of=z bs=1k count=3 2>&1; "
        "wc -c < z; "
        "dd if=no 2>&1; echo $?; dd if=f bs=4 2>&1 > g; cmp f g; echo $?; printf abX > h; cmp f h; echo $?; cmp -s f h; "
        "cmp f no 2>&1; echo $?; truncate -s 3 g; cmp f g 2>&1; truncate -s 1k g; wc -c < g; sync; "
        "printf abc | dd bs=2 conv=sync status=none | wc -c",
        "abcdefghdefabcXYfghij3+0 records in\n3+0 records out\n3072\ndd: can't open 'no': No such file or directory\n1\n"
        "2+1 records in\n2+1 records out\n0\nf h differ: char 3, line 1\n1\ncmp: no: No such file or directory\n2\n"
        "cmp: EOF on g\n1024\n4\n",
    ),
    "hostname": (
        "hostname -s | wc -l; echo 'hosts: files' > /etc/nsswitch.conf; echo \"10.1.2.3 $(hostname) me\" > /etc/hosts; "
        "hostname -i",
        "1\n10.1.2.3\n",
    ),
    "stat": (
        "umask 022; printf abc > f; mkdir -m 750 d; : > e; ln -s f l; stat -c '%n %s %a %F' f e l; stat -c '%a %A %f %F' d; "
        "stat -Lc '%n %F' l; stat -c %n no 2>&1; echo $?; set -- $(ls -ln f); stat -c %u:%g f | grep -cx $3:$4; "
        "touch f; expr $(date +%s) - $(stat -c %Y f) \\< 100",
        "f 3 644 regular file\ne 0 644 regular empty file\nl 1 777 symbolic link\n750 drwxr-x--- 41e8 directory\n"
        "l regular file\nstat: can't stat 'no': No such file or directory\n1\n1\n1\n",
    ),
    "mktemp": (
        "mkdir -p /tmp; d=$(mktemp -d); stat -c '%a %F' $d; f=$(mktemp -p $d); stat -c '%a %F' $f; [ $(dirname $f) = $d ]; "
        "echo $?; mktemp -u x.XXXXXX | wc -c; ls; mktemp bad 2>&1; echo $?; mktemp no/x.XXXXXX 2>&1; mktemp -q bad; echo $?",
        "700 directory\n600 regular empty file\n0\n9\nmktemp: (null): Invalid argument\n1\n"
        "mktemp: (null): No such file or directory\n1\n",
    ),
    "what the kernel tells of processes": (
        r"tr '\0' . < /proc/1/cmdline | head -n 1; cat /proc/1/comm /proc/self/comm; cut -d' ' -f1,2,4 /proc/1/stat; "
        r"grep -E '^(Name|Pid|PPid|Uid):' /proc/1/status | tr '\t' ' '; cat /proc/999/stat 2>&1; "
        "grep -c ' /proc proc ' /proc/mounts; wc -w < /proc/uptime; grep -c ^MemTotal: /proc/meminfo",
        "/bin/sh.-c.cd /work\nsh\ncat\n1 (sh) 0\nName: sh\nPid: 1\nPPid: 0\nUid: 0 0 0 0\n"
        "cat: can't open '/proc/999/stat': No such file or directory\n1\n2\n1\n",
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
    "children see what was, not what is": (
        "for i in 1 2 3; do (sleep 0.01; echo $i) & done >seen; i=9; wait; sort seen",
        "1\n2\n3\n",
    ),
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
    "parts of values": (
        'p=/usr/bin/tool.tar.gz; x=hello; echo "${p##*/}" "${p%/*}" "${p%.*}" "${p//\\//-}" ${x/l/L} ${x//l} ${x:1:3} ${x: -2} '
        "\"${x:0:1}\" ${x:2:-1}; [[ $p == /usr/* && ! -e /nope ]] && echo fits; [[ -n '' || a = b ]] || echo no; "
        "echo $'a\\tb' ~root",
        "tool.tar.gz /usr/bin /usr/bin/tool.tar -usr-bin-tool.tar.gz heLlo heo ell lo h ll\nfits\nno\na\tb /root\n",
    ),
    "options of scripts": (
        'f() { while getopts "ab:c" o; do echo "$o [$OPTARG] $OPTIND"; done; shift $((OPTIND-1)); echo "rest $*"; OPTIND=1; }; '
        "f -a -bx -cb y z 2>&1; f -x 2>&1; f -b 2>&1; g() { while getopts :b: o; do echo $o $OPTARG; done; OPTIND=1; }; g -x -b; "
        "function h { echo $1; }; h in",
        "a [] 2\nb [x] 3\nc [] 4\nb [y] 5\nrest z\nIllegal option -x\n? [] 2\nrest \nNo arg for -b option\n? [] 2\nrest \n"
        "? x\n: b\nin\n",
    ),
    "pipefail, allexport and where a return ends": (
        "set -o pipefail; (exit 3) | true; echo $?; set +o pipefail; false | true; echo $?; "
        "sh -eo pipefail -c 'false | true; echo no'; "
        "echo $?; set -a; y=2; set +a; env | grep ^y=; echo 'echo $1; return 4; echo no' > s; . ./s arg; echo $?; "
        "i=1; echo $((i++)) $((++i)) $((2**10)) $((- -1)); let i=i+1; echo $i; sleep 99 & kill %1; wait $! 2>/dev/null; echo $?; "
        "printf 'a\\0b\\0' | while IFS= read -r -d '' f; do echo \"<$f>\"; done; "
        "printf abc | { read -n 2 x; echo $x; }; return 0; echo no",
        "3\n0\n1\ny=2\narg\n4\n1 3 1024 1\n4\n143\n<a>\n<b>\nab\n",
    ),
    "aliases": (
        "cat > s <<'E'\n"
        "alias ll='echo list' e=echo 'q=it'\"'\"'s'; alias ll e q\n"
        "ll a; \\e no 2>/dev/null || echo quoted\n"
        "alias x='echo one ' y=two ls='ls -d' ; alias a=b b=a\n"
        "x y y; ls .\n"
        "f() { ll in; }; { alias new=ll; new; } 2>/dev/null; echo $(ll sub) `e back`\n"
        "unalias ll; f; ll 2>/dev/null; echo $?\n"
        "a 2>/dev/null; echo $?; alias nope; unalias nope; echo $?\n"
        "unalias -a; alias; alias late=echo; late 2>/dev/null; echo $?\n"
        "E\n"
        "sh ./s 2>&1",
        "ll='echo list'\ne='echo'\nq='it'\"'\"'s'\nlist a\nquoted\none two y\n.\n"
        "list sub back\nlist in\nlist\n0\n127\nalias: nope not found\nunalias: nope not found\n1\n127\n",
    ),
    "line numbers": (
        "cat > s <<'E'\n"
        "echo $LINENO; f() {\n"
        "  echo $LINENO\n"
        "}\n"
        "f; echo $LINENO $(echo $LINENO)\n"
        "for i in 1; do\n"
        "  echo $LINENO\n"
        "done\n"
        "eval 'echo $LINENO\n"
        "echo $LINENO'\n"
        "cat <<D\n"
        "$LINENO\n"
        "D\n"
        "echo 'echo $LINENO' > t; . ./t; LINENO=x; echo $LINENO\n"
        "E\n"
        "sh s; sh -c 'echo $LINENO\n"
        "(echo $LINENO)'",
        "1\n2\n4 4\n6\n8\n9\n10\n1\nx\n0\n1\n",
    ),
    "a script is read a line at a time": (
        "printf 'echo one\\necho two; if\\n' > s; sh s 2>/dev/null; echo $?",
        "one\n2\n",
    ),
    "mistakes": ("sh -c 'if; then' 2>/dev/null; echo $?; sh -c 'echo \"x' 2>/dev/null; echo $?", "2\n2\n"),
    "scripts": ("printf '#!/bin/sh\\necho $0 $1\\n' > s; chmod=1; umask 0; sh s a; umask; pwd | wc -c", "s a\n0000\n6\n"),
}
