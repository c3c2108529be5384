"""What people call the columns of audience files, in English and Vietnamese, and some other languages.

Names are compared as `tabular.match.words_of` folds them: without case, marks and what stands between words;
and as a whole, for an `email status` is no e-mail address. Of the names of one field the better come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXACT: Mapping[str, Sequence[str]] = {
    "business_email": (
        *("business_email", "work email", "company email", "corporate email", "professional email"),
        *("office email", "business email address", "work email address", "business e-mail", "work e-mail"),
        *("email công ty", "email công việc", "email doanh nghiệp", "email cơ quan", "thư điện tử công ty"),
        *("địa chỉ email công ty", "địa chỉ email công việc", "email làm việc"),
        *("e-mail corporativo", "e-mail comercial", "correo corporativo", "email corporativo"),
        *("e-mail professionnel", "geschäftliche E-Mail", "E-Mail geschäftlich"),
    ),
    "personal_email": (
        *("personal_email", "private email", "home email", "personal email address", "personal e-mail"),
        *("email cá nhân", "email riêng", "địa chỉ email cá nhân", "thư điện tử cá nhân"),
        *("e-mail pessoal", "correo personal", "e-mail personnel", "private E-Mail", "E-Mail privat"),
    ),
    "email": (
        *("email", "email address", "e-mail", "e-mail address", "mail", "emails", "primary email"),
        *("contact email", "main email", "email 1", "e-mail 1"),
        *("địa chỉ email", "thư điện tử", "địa chỉ thư điện tử", "hộp thư", "email liên hệ", "hòm thư"),
        *("endereço de e-mail", "correio eletrônico", "correo electrónico", "correo", "courriel"),
        *("adresse e-mail", "E-Mail-Adresse"),
    ),
    "first_name": (
        *("first_name", "firstname", "given name", "forename", "fname", "first", "contact first name"),
        *("tên gọi", "tên riêng", "nome", "primeiro nome", "nombre", "prénom", "Vorname"),
    ),
    "last_name": (
        *("last_name", "lastname", "surname", "family name", "lname", "last", "contact last name"),
        *("họ", "họ đệm", "họ và tên đệm", "họ và chữ đệm", "họ lót", "họ tên đệm"),
        *("sobrenome", "apellidos", "apellido", "nom de famille", "Nachname", "Familienname"),
    ),
    "company_name": (
        *("company_name", "company", "organization", "organisation", "organization name", "business name"),
        *("organisation name", "employer", "account name", "name of company"),
        *("công ty", "tên công ty", "doanh nghiệp", "tên doanh nghiệp", "tổ chức", "tên tổ chức", "cơ quan"),
        *("tên cty", "cty", "empresa", "nome da empresa", "nombre de la empresa", "entreprise", "société"),
        *("Firma", "Unternehmen", "Firmenname"),
    ),
    "domain": (
        *("domain", "domain name", "email domain", "web domain", "tên miền", "domínio", "dominio"),
        *("domaine", "nom de domaine", "Domäne"),
    ),
    "company_domain": (
        *("company_domain", "company domain name", "organization domain", "business domain"),
        *("corporate domain", "account domain", "tên miền công ty", "tên miền doanh nghiệp"),
    ),
}
"""Names that are a field's whole name."""

LIKELY: Mapping[str, Sequence[str]] = {
    "company_domain": (
        *("company website", "website", "web site", "company url", "site", "homepage", "trang web"),
        *("trang web công ty", "website công ty", "địa chỉ web"),
    ),
}
"""Names of what holds it too, such as the address of a company's pages; taken when there is no better one."""

BESIDE: Mapping[str, Mapping[str, str]] = {"first_name": {"tên": "last_name", "name": "last_name"}}
"""Names that hold a field where another one has a column of its own."""
