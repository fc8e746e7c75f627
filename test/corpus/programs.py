# SPDX-License-Identifier: GPL-2.0
"""Which functions of two linked programs differ, found without what wfpatch has for that.

The programs are disassembled. Addresses are replaced by what is there: a name with an offset, a text, or the
name of the section for what is neither. What is left of a function's text must be the same. Tables of jumps and
numbers without a name are not looked at.
"""
import re
import subprocess

RELATIVE = re.compile(r"-?\b0x[0-9a-f]+\(%rip\)")
ADDRESS = re.compile(r"# ([0-9a-f]+)(?: <([^>]+)>)?|(?:\s|^)([0-9a-f]+) <([^>]+)>")
NUMBERED = re.compile(r"\.\d+(?=$|[.+@-])")
# An indirect function has no name there, but its address.
INDIRECT = re.compile(r"\*ABS\*\+0x[0-9a-f]+@plt")


class Program:
    def __init__(self, path):
        self.sections = []
        out = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout
        with open(path, "rb") as file:
            content = file.read()
        for line in out.splitlines():
            found = re.match(r"\s*\[ *\d+\] (\S+)\s+(\S+)\s+([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)", line)
            if not found or found.group(2) == "NOBITS":
                continue
            address, offset, size = (int(found.group(i), 16) for i in (3, 4, 5))
            if address:
                self.sections.append((found.group(1), address, content[offset:offset + size]))
        self.got = self.slots(path)
        self.functions = self.disassemble(path)

    @staticmethod
    def slots(path):
        """What the dynamic linker writes into the table of addresses: names, or a place in the program."""
        out = subprocess.run(["readelf", "-rW", path], capture_output=True, text=True, check=True).stdout
        return {int(address, 16): "relative" if kind == "RELATIVE" else rest.split()[1]
                for address, kind, rest in re.findall(r"^([0-9a-f]+) +[0-9a-f]+ R_X86_64_(\w+) +(.*)$", out, re.M)
                if kind in ("RELATIVE", "GLOB_DAT", "JUMP_SLOT") and rest.split()}

    def constant(self, address):
        """What is at an address without a name of its own: a text, or what kind of memory."""
        if address in self.got:
            return "got " + self.got[address]
        for name, start, content in self.sections:
            if start <= address < start + len(content):
                if not name.startswith(".rodata"):
                    return name
                text = content[address - start:].split(b"\0", 1)[0]
                if len(text) > 3 and all(32 <= c < 127 or c in b"\t\n\r\x1b" for c in text):
                    return repr(text)
                return "rodata"
        return "memory"

    def disassemble(self, path):
        out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-w", path],
                             capture_output=True, text=True, check=True).stdout
        functions, name, lines, start = {}, None, [], 0

        def replace(found):
            if found.group(1):
                # In constants the nearest name may mean nothing.
                what = self.constant(int(found.group(1), 16))
                if found.group(2) and not what.startswith(("b'", 'b"', "rodata", "got ")):
                    what = NUMBERED.sub("", found.group(2))
                return "# " + what
            if found.group(4).split("+")[0].split("-")[0] == name:
                return f" {int(found.group(3), 16) - start:x}"
            return " " + NUMBERED.sub("", found.group(4))

        for line in out.splitlines():
            head = re.match(r"([0-9a-f]+) <(.+)>:$", line)
            if head:
                if name:
                    functions.setdefault(NUMBERED.sub("", name), []).append("\n".join(lines))
                name, lines, start = head.group(2), [], int(head.group(1), 16)
                continue
            found = re.match(r"\s*[0-9a-f]+:\t(.*)$", line)
            if found and name:
                text = ADDRESS.sub(replace, RELATIVE.sub("(%rip)", INDIRECT.sub("indirect@plt", found.group(1))))
                if not re.match(r"(nop|cs nop|data16|xchg +%ax,%ax|int3)", text):
                    lines.append(" ".join(text.split()))
        if name:
            functions.setdefault(NUMBERED.sub("", name), []).append("\n".join(lines))
        return {key: sorted(value) for key, value in functions.items()}


# Of the linker, or of the C library's start files.
FOREIGN = re.compile(r"@plt$|^(_start|_init|_fini|deregister_tm_clones|register_tm_clones|frame_dummy|"
                     r"__do_global_dtors_aux|\.plt.*)$")


def differing(before, after):
    """Names of functions that both programs have and that are not the same, without compilers' numbers."""
    old, new = Program(before).functions, Program(after).functions
    return sorted(name for name in new if name in old and old[name] != new[name] and not FOREIGN.search(name))


CONSTANT = re.compile(r"\.str\d|\.cst\d|^\.LC\d|^\.rodata\.merged")
SECTION = re.compile(r"^\.(text|data|bss|rodata|tbss|tdata|gcc_except_table)(\.(rel|ro|local|unlikely|startup|exit|hot)"
                     r"(?=\.))*\.")


def referred(symbol):
    """What a relocation leads to, whether the object has it itself or a patch refers to it in the old program."""
    if CONSTANT.search(symbol):
        return "constant"
    name, sign, offset = re.match(r"(.*?)([+-]0x[0-9a-f]+)?$", symbol).group(1, 2, 2)
    name = re.sub(r"^wfpatch\.local\.[A-Za-z0-9_]*_(c|cc|cpp|y|l)\.", "", SECTION.sub("", name))
    return NUMBERED.sub("", re.sub(r"\.of\.\w+$", "", name)) + (offset if sign else "")


def code_of(path):
    """The functions of an object: each an instruction a line, with what it refers to."""
    out = subprocess.run(["objdump", "-dr", "-w", "--no-show-raw-insn", path], capture_output=True, text=True,
                         check=True).stdout
    functions, name = {}, None
    for line in out.splitlines():
        head = re.match(r"[0-9a-f]+ <(.+)>:$", line)
        if head:
            name = NUMBERED.sub("", re.sub(r"\.of\.\w+$", "", head.group(1)))
            functions.setdefault(name, []).append([])
            continue
        found = re.match(r"\s*[0-9a-f]+:\t(.*)$", line)
        if not (found and name):
            continue
        text, *relocs = re.split(r"\t[0-9a-f]+: (?=R_X86)", found.group(1))
        text = " ".join(re.sub(r"<.*>|# [0-9a-f]+.*", "", text).split())
        functions[name][-1].append(" ".join([text, *(f"{reloc.split()[0]} {referred(reloc.split()[1])}"
                                                     for reloc in relocs)]))
    return {key: ["\n".join(lines) for lines in texts] for key, texts in functions.items()}


def strangers(patch, objects):
    """Functions of a patch that are in none of the new objects as they are in the patch."""
    known = {}
    for path in objects:
        for name, texts in code_of(path).items():
            known.setdefault(name, []).extend(texts)
    return sorted(name for name, texts in code_of(patch).items()
                  if any(text not in known.get(name, []) for text in texts))
