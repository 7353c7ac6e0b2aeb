"""Lists the functions that ran, those with the greatest count of a block first, one name a line, for the linker.

`record.sh` gives it what `llvm-profdata show --all-functions --counts` prints.
"""

import sys


def functions(lines):
    """Yields the greatest count and the name of each function that ran."""
    name = None
    for line in lines:
        text = line.strip()
        if text.startswith("Block counts: ["):
            counts = text.removeprefix("Block counts: [").removesuffix("]")
            greatest = max((int(count) for count in counts.split(",") if count.strip()), default=0)
            if name and greatest:
                yield greatest, name
        elif line.startswith("  ") and not line.startswith("    ") and text.endswith(":"):
            # Before a semicolon is the unit of a name that is not known outside of it.
            name = text.removesuffix(":").rpartition(";")[2]


def main():
    ran = sorted(functions(sys.stdin), key=lambda function: (-function[0], function[1]))
    if not ran:
        sys.exit("order.py: no function ran, or llvm-profdata prints otherwise than it did")
    # The linker takes a name once; of several functions of one name, the most frequent counts.
    print("\n".join(dict.fromkeys(name for _, name in ran)))


main()
