"""Who has this tax number? (L10) The button «Заполнить из ФНС».

`TaxRegister` is the question; there are three answers to it: a table that ships with the project (`table.py`), an
online
service (`online.py`), and a memory in front of either (`memory.py`). `choose.py` puts together what the settings say.
"""

from postavka.domain.tax_register.choose import open_register
from postavka.domain.tax_register.company import (
    Branch,
    CompanyKind,
    CompanyStanding,
    NotAnswering,
    RegisteredCompany,
    TaxRegister,
)
from postavka.domain.tax_register.settings import TaxSettings

__all__ = [
    "Branch",
    "CompanyKind",
    "CompanyStanding",
    "NotAnswering",
    "RegisteredCompany",
    "TaxRegister",
    "TaxSettings",
    "open_register",
]
