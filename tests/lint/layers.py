"""Includes go downwards only, by full path; foreign headers in their module; pure is pure."""

import fnmatch
import os
import re

from source import blank, c_files, line_of, read

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.txt")

LIBC = set("""
assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string threads time uchar wchar
dirent endian fcntl getopt grp ifaddrs malloc netdb poll pthread pwd sched spawn strings sysexits
syslog termios unistd
""".split())
LIBC_FOLDERS = ("sys/", "netinet/", "arpa/", "net/", "linux/", "bits/", "asm/")

# What a pure module may take of libc and of the impure headers of lower modules. Of stdio only
# the formatting into memory remains, by the calls below.
PURE_LIBC = set("""
assert ctype errno inttypes limits stdalign stdarg stdbool stddef stdint stdio stdlib string time
""".split())
PURE_NOT = ("base/log.h",)
PURE_CALLS = re.compile(r"""(?<![>.])\b(
    f?printf | v?dprintf | vf?printf | puts | fputs | fputc | putc | putchar | perror
  | f(?:d|re)?open | fclose | fread | fwrite | fgets | fgetc | fscanf | scanf | fseek | fflush
  | getline | tmpfile | remove | rename | unlink | mkdir
  | open | openat | creat | close | p?read | p?write | readv | writev | lseek | stat | fstat
  | fsync | fdatasync | mmap | socket | connect | bind | listen | accept4? | send(?:to|msg)?
  | recv(?:from|msg)? | poll | select | fork | pipe2?
  | time | clock | clock_gettime | gettimeofday | localtime(?:_r)? | sleep | usleep | nanosleep
  | getrandom | getentropy | rand | random | srand | rand_r | arc4random\w* | RAND_\w+ | random_\w+
  | getenv | secure_getenv | setenv | exit | _exit | log_\w+ | clock_\w+
  | json_load_file | json_loadf | json_loadfd | json_dump_file | json_dumpf | json_dumpfd
)\s*\(""", re.X)

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def table(path=TABLE):
    rows = {}
    for line in open(path, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            name, modules, foreign, pure = (cell.split() for cell in line.split("|"))
            rows[name[0]] = (set(modules), foreign, bool(pure))
    return rows


def system(header, allowed):
    return header.endswith(".h") and header[:-2] in allowed


def check(root):
    rows = table()
    problems = []
    for path in c_files(root, "daemon"):
        parts = path.split("/")
        owner = parts[1]
        if owner not in rows:
            problems.append(f"{path}: '{owner}' is no module that layers.txt knows")
            continue
        if len(parts) > 3:
            problems.append(f"{path}: a module has no folders inside")
        modules, foreign, pure = rows[owner]
        text = read(root, path)
        # Comments go, the strings must stay: they are the names.
        bare = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
        for match in _INCLUDE.finditer(bare):
            where = f"{path}:{line_of(bare, match.start())}"
            quote, header = match.groups()
            known = any(fnmatch.fnmatch(header, pattern) for pattern in foreign)
            first = header.split("/")[0]
            if known:
                continue
            if quote == "<":
                if not (system(header, LIBC) or header.startswith(LIBC_FOLDERS)):
                    problems.append(f"{where}: <{header}> is not for {owner}")
                elif pure and not system(header, PURE_LIBC):
                    problems.append(f"{where}: <{header}> in {owner}, which is pure")
            elif header.startswith(".") or "/../" in header or first not in rows or first == header:
                if fnmatch.fnmatch(header, "*.pb-c.h"):
                    problems.append(f"{where}: \"{header}\" is for wire alone")
                else:
                    problems.append(f"{where}: \"{header}\" is no full path from daemon/")
            elif first != owner and first not in modules:
                problems.append(f"{where}: {owner} may not include {first} (\"{header}\")")
            elif pure and header in PURE_NOT:
                problems.append(f"{where}: \"{header}\" in {owner}, which is pure")
        if pure:
            bare = blank(text)
            for match in PURE_CALLS.finditer(bare):
                problems.append(f"{path}:{line_of(bare, match.start())}: {match.group(1)}() in "
                                f"{owner}, which is pure")
    return problems


_UPWARDS = '#include "node/node.h"\n'
SELF_TEST = [
    ("upwards", {"daemon/ledger/tree.c": _UPWARDS}, "ledger may not include node"),
    ("sideways", {"daemon/store/a.c": '#include "crypto/digest.h"\n'}, "store may not include"),
    ("relative", {"daemon/node/a.c": '#include "../store/a.h"\n'}, "no full path"),
    ("relative, hidden", {"daemon/node/a.c": '#include "base/../store/a.h"\n'}, "no full path"),
    ("own, short", {"daemon/node/a.c": '#include "a.h"\n'}, "no full path"),
    ("spaced", {"daemon/ledger/a.c": '  #  include\t"node/node.h"\n'}, "may not include"),
    ("foreign", {"daemon/link/a.c": "#include <openssl/ssl.h>\n"}, "<openssl/ssl.h> is not for"),
    ("foreign, quoted", {"daemon/link/a.c": '#include "openssl/ssl.h"\n'}, "no full path"),
    ("schema", {"daemon/node/a.h": '#include "ledger.pb-c.h"\n'}, "for wire alone"),
    ("unknown module", {"daemon/util/a.c": ""}, "no module"),
    ("unknown entry point", {"daemon/extra.c": ""}, "no module"),
    ("entry point", {"daemon/main.c": '#include "store/a.h"\n'}, "main.c may not include store"),
    ("pure: header", {"daemon/policy/a.c": "#include <unistd.h>\n"}, "which is pure"),
    ("pure: log", {"daemon/record/a.c": '#include "base/log.h"\n'}, "which is pure"),
    ("pure: clock", {"daemon/exchange/a.c": "int f(void) { return time(NULL); }\n"}, "time()"),
    ("pure: random", {"daemon/ledger/a.c": "void f(void) { RAND_bytes(p, 3); }\n"}, "RAND_bytes()"),
    ("good", {
        "daemon/main.c": '#include "parent/parent.h"\n',
        "daemon/link/a.c": '#include <sys/socket.h>\n#include "crypto/tls.h"\n#include "link/a.h"\n',
        "daemon/wire/a.c": '#include "ledger.pb-c.h"\n#include <protobuf-c/protobuf-c.h>\n',
        "daemon/ledger/a.c": "/* #include <unistd.h> */ int f(void) { return snprintf(0, 0, "
                             "\"time(\"); } /* open() */ void g(void) { r->read(r); }\nint reopen_log(void), time_us;\n",
    }, None),
]
