"""Paper for people: PDFs from Typst templates, and sums, days and names as Russian papers write them.

The same template and data give the same bytes on every machine: fonts are the project's own, the clock is not asked.
"""

from postavka.domain.typesetting.russian import day_in_words, initials, roubles, sum_in_words, unbroken
from postavka.domain.typesetting.typeset import Untypeset, typeset

__all__ = ["Untypeset", "day_in_words", "initials", "roubles", "sum_in_words", "typeset", "unbroken"]
