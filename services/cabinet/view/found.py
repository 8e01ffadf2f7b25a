"""The meaning of the tax register's answer for the form (L10): a note, and what fills in buyer and KPP."""

from __future__ import annotations

from dataclasses import dataclass, replace

from postavka.domain.tax_register import CompanyKind, CompanyStanding, RegisteredCompany
from services.cabinet.view.form import Typed
from services.cabinet.words import STANDINGS

_GONE = "Проверьте ИНН: заявку отправить можно, но подписать документы и активировать сервис будет некому."
_WARNINGS = {
    CompanyStanding.LIQUIDATED: f"По данным ФНС деятельность прекращена. {_GONE}",
    CompanyStanding.LIQUIDATING: "Идёт ликвидация: убедитесь, что документы успеют подписать.",
    CompanyStanding.BANKRUPT: "Введена процедура банкротства: убедитесь, что документы есть кому подписать.",
    CompanyStanding.REORGANIZING: "Идёт реорганизация: ИНН и КПП могут смениться.",
}


@dataclass(frozen=True, slots=True)
class Found:
    """The note under the button. `company` is None where nothing was found."""

    tone: str
    icon: str
    company: RegisteredCompany | None = None
    standing: str = ""
    address: str = ""
    title: str = ""
    warning: str = ""


NOT_ANSWERING = Found(
    "wait",
    "triangle-alert",
    title="Сервис ФНС сейчас не отвечает.",
    warning="Впишите покупателя и КПП вручную: заявку можно отправить и так. Всё введённое сохранено.",
)
NOBODY = Found(
    "wait",
    "circle-help",
    title="В ФНС такого ИНН нет.",
    warning="Проверьте номер. Если он верен, впишите покупателя и КПП вручную.",
)


def fill(typed: Typed, company: RegisteredCompany) -> Typed:
    """The form with buyer and KPP of the company: of the branch that was chosen, otherwise of the head office."""
    kpps = [each.kpp for each in company.branches]
    kpp = typed.kpp if typed.kpp in kpps else (kpps[0] if kpps else "")
    return replace(typed, inn=company.inn, buyer=company.name, kpp=kpp, filled=company.inn)


def note(company: RegisteredCompany) -> Found:
    """What is said about it."""
    one = company.branches[0].address if len(company.branches) == 1 else None
    standing = STANDINGS[company.standing.value]
    if company.kind is CompanyKind.SOLE_TRADER and company.standing is CompanyStanding.LIQUIDATED:
        standing = "деятельность прекращена"
    warning = _WARNINGS.get(company.standing, "")
    bad = company.standing in (CompanyStanding.LIQUIDATED, CompanyStanding.BANKRUPT)
    return Found(
        tone="bad" if bad else "wait" if warning else "good",
        icon="triangle-alert" if warning else "circle-check",
        company=company,
        standing=standing,
        address=one or "",
        warning=warning,
    )
