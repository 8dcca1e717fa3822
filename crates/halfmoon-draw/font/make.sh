#!/usr/bin/env bash
# Makes sans.ttf and LICENSE from Debian's fonts-dejavu-core 2.37-6, with fonttools 4.68.0 (`pip install fonttools`).
set -euo pipefail
cd "$(dirname "$0")"
FULL=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf

# Latin with its marks, Greek, Cyrillic, punctuation, raised and lowered digits, currencies, arrows, some mathematics.
pyftsubset "$FULL" --output-file=sans.ttf \
    --unicodes=U+20-7E,U+A0-24F,U+300-36F,U+370-45F,U+48A-52F,U+1E00-1EFF,U+2010-2027,U+2030-2044,U+2070-209F,U+20A0-20BF,U+2116,U+2122,U+2190-2199,U+21A9,U+21B5,U+21D0-21D5,U+21E5,U+2200-220F,U+2211-221E,U+2227-222B,U+2248,U+2260,U+2264,U+2265,U+25A1 \
    --no-hinting --notdef-outline --legacy-kern --layout-features='' --drop-tables+=FFTM,GDEF,GPOS,GSUB,MATH \
    --name-IDs=0,1,2,4,5,13,14

python3 - "$FULL" <<'END'
import sys
from fontTools.ttLib import TTFont
names = TTFont(sys.argv[1])["name"]
with open("LICENSE", "w") as file:
    file.write("sans.ttf is a subset of DejaVu Sans 2.37, made by make.sh.\n\n")
    file.write(f"{names.getDebugName(0)}\n\n{names.getDebugName(13)}\n")
END
