"""The Russian titles of messages, for an auditor's pages."""

from __future__ import annotations

from postavka.domain.wording import STAGES

TITLES = {
    "SubmitRequest": "Заявка отправлена партнёром",
    "WithdrawRequest": "Партнёр просит отозвать заявку",
    "DistributorConfirmation": "Ответ дистрибьютора",
    "BankPayment": "Платёж из выписки банка",
    "BankReturn": "Возврат из выписки банка",
    "MatchPayment": "Платёж отнесён к счёту сотрудником",
    "MatchReturn": "Возврат отнесён к счёту сотрудником",
    "CreditOverpayment": "Сотрудник велит зачесть переплату",
    "ReturnMoney": "Сотрудник велит вернуть деньги",
    "SignDocument": "Подписанный документ вернулся",
    "DeclineDocument": "Контрагент отказывается подписать",
    "ReportRendering": "Сообщение о печатной форме документа",
    "ReportDispatch": "Сообщение об отправке документа",
    "KitManufactured": "Комплект изготовлен",
    "ActivateDelivery": "Запрошена активация",
    "ConsiderService": "Наступил день проверки срока сервиса",
    "ProlongService": "Дни продления переданы сервису",
    "RefuseRenewal": "Сервис отказал продлению",
    "ScheduleRenewal": "Партнёр запланировал продление",
    "CancelRenewal": "Запланированное продление не уйдёт",
    "RequestSubmitted": "Заявка принята",
    "RequestWithdrawn": "Заявка отозвана",
    "Approved": "Согласована",
    "Rejected": "Не согласована",
    "BillingOpened": "Расчёты открыты",
    "BillingClosed": "Расчёты закрыты",
    "InvoiceIssued": "Выставлен счёт",
    "ConfirmationHeld": "Ответ дистрибьютора ждёт согласования",
    "DistributorConfirmed": "Дистрибьютор готов оплатить",
    "DistributorDeclined": "Дистрибьютор отказался",
    "ConfirmationRefused": "Ответ дистрибьютора не принят",
    "PaymentReceived": "Оплата получена",
    "PaymentUnmatched": "Платёж не отнесён к счёту",
    "PaymentMatched": "Платёж отнесён к счёту вручную",
    "PaymentReturned": "Оплата возвращена банком",
    "RefundOwed": "К возврату плательщику",
    "OverpaymentCredited": "Переплата снята для другого счёта",
    "RefundPaid": "Возвращено плательщику",
    "ReturnOrdered": "Велено вернуть деньги",
    "ReturnPaid": "Деньги возвращены",
    "ReturnUnmatched": "Возврат не отнесён к счёту",
    "ReturnMatched": "Возврат отнесён к счёту вручную",
    "SettlementRefused": "Распоряжение о деньгах не принято",
    "ShippingOpened": "Отгрузка открыта",
    "ShippingClosed": "Отгрузка закрыта",
    "BasisHeld": "Основание ждёт согласования",
    "InvoiceNoted": "Счёт учтён",
    "PermissionIssued": "Выдан номер разрешения",
    "DocumentIssued": "Документ составлен",
    "DocumentRendered": "Печатная форма готова",
    "DocumentDispatched": "Документ отправлен",
    "DocumentSigned": "Документ подписан",
    "DocumentDeclined": "В подписи отказано",
    "SignatureRefused": "Подпись не принята",
    "ManufacturingOrdered": "Заказано изготовление",
    "ShipmentIssued": "Поставка оформлена",
    "WithdrawalRefused": "Отзыв невозможен",
    "DeliveryRegistered": "Поставка готова к активации",
    "ActivationHeld": "Активация ждёт поставки",
    "Activated": "Сервис активирован",
    "ActivationRefused": "Активация не выполнена",
    "ServiceStarted": "Срок сервиса начался",
    "ReminderDue": "Пора напомнить о продлении",
    "ServiceLapsed": "Срок сервиса истёк",
    "RenewalRequested": "Заявка продлевает другую поставку",
    "RenewalActivated": "Продление активировано",
    "RenewalRefused": "Продление не принято",
    "ServiceRenewed": "Сервис продлён",
    "RenewalScheduled": "Продление запланировано",
    "RenewalCancelled": "Запланированное продление отменено",
    "DeadLetterRetried": "Разбор повторён",
    "DeadLetterCorrected": "Запись исправлена",
    "CorrectionProposed": "Предложено исправление записи",
    "CorrectionAgreed": "Исправление согласовано",
    "DeadLetterDiscarded": "Запись снята с разбора",
    "ReminderRequested": "Отправлено напоминание",
}

LANES = {"input": "Извне", **STAGES}

NOTES = {
    "on the topic, not in the store": "есть в топике, но нет в хранилище стадии",
    "a late duplicate, skipped by every reader": "поздний повтор, его пропускают все читатели",
    "not on its topic (yet)": "в топике (ещё) нет",
    "led to no event: told before, or nothing to do": "повтор: событий не вызвал",
    "is being tried again": "разбирается снова",
    "taken at a later try": "принято при повторе",
}
"""What `services.audit.history.history` notes."""

TOLD = ("number", "invoice_number", "amount", "due", "kind", "basis", "confirmation_id", "service_until", "accepted")
"""Fields worth a word beside the title, in this order."""


def title_of(type_name: str) -> str:
    """The Russian title of a type, `Approved.v1` → «Согласована»; a type without a title keeps its name."""
    name = type_name.partition(".")[0]
    return TITLES.get(name, name)
