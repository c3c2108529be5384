"""What people call the columns of contacts, in English, Portuguese, Spanish, French, German and Vietnamese.

Names are compared as `tabular.match.words_of` folds them: without case, marks and what stands between words,
so that each is written once here, in its own spelling. Of the names of one field the better come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXACT: Mapping[str, Sequence[str]] = {
    "email": (
        *("email", "e-mail", "e_mail", "email address", "e-mail address", "mail", "emails"),
        *("primary email", "main email", "work email", "business email", "personal email", "contact email"),
        *("mail address", "email id", "e-mail 1"),
        *("endereço de e-mail", "e-mail principal", "correio eletrônico", "correio electrónico"),
        *("endereço eletrônico", "e-mail profissional", "e-mail corporativo"),
        *("correo electrónico", "correo", "dirección de correo electrónico", "dirección de correo"),
        *("dirección de email", "dirección de e-mail", "correo-e", "email corporativo"),
        *("courriel", "adresse e-mail", "adresse mail", "adresse de courriel", "adresse courriel"),
        *("adresse électronique", "courrier électronique", "mél", "e-mail professionnel"),
        *("e-mail-adresse", "mailadresse", "mail-adresse", "elektronische Adresse"),
        *("thư điện tử", "địa chỉ email", "địa chỉ e-mail", "địa chỉ thư điện tử", "hộp thư", "hòm thư"),
        *("hộp thư điện tử", "hòm thư điện tử", "email công việc", "email liên hệ"),
    ),
    "first_name": (
        *("first_name", "firstname", "first name", "fname", "given name", "forename", "first"),
        *("given names", "first names", "christian name", "contact first name"),
        *("nome", "primeiro nome", "nome próprio", "prenome", "nome de batismo"),
        *("nombre", "nombres", "primer nombre", "nombre de pila", "nombre propio"),
        *("prénom", "prénoms", "prénom usuel"),
        *("Vorname", "Vornamen", "Rufname"),
        *("tên gọi", "tên riêng"),
    ),
    "last_name": (
        *("last_name", "lastname", "last name", "lname", "surname", "family name", "last", "surnames"),
        *("last names", "contact last name"),
        *("sobrenome", "último nome", "nome de família", "sobrenomes"),
        *("apellidos", "apellido", "primer apellido", "apellido paterno", "apellido 1"),
        *("nom de famille", "nom", "nom d'usage", "nom usuel", "patronyme"),
        *("Nachname", "Familienname", "Zuname", "Nachnamen"),
        *("họ", "họ đệm", "họ và tên đệm", "họ và chữ đệm", "họ lót", "họ và chữ lót", "họ và tên lót"),
        *("họ tên đệm", "họ tên lót", "họ và đệm"),
    ),
    "company": (
        *("company", "company name", "organization", "organisation", "org", "organization name"),
        *("organisation name", "employer", "business name", "name of company"),
        *("empresa", "nome da empresa", "companhia", "organização", "razão social", "nome empresa"),
        *("nombre de la empresa", "nombre empresa", "nombre de empresa", "compañía", "razón social"),
        *("organización", "nombre de la compañía"),
        *("entreprise", "société", "nom de l'entreprise", "nom de la société", "raison sociale"),
        *("nom de société", "nom entreprise", "nom d'entreprise", "nom société", "compagnie"),
        *("Firma", "Unternehmen", "Firmenname", "Name der Firma", "Unternehmensname", "Organisationsname"),
        *("Name des Unternehmens", "Betrieb"),
        *("công ty", "tên công ty", "doanh nghiệp", "tên doanh nghiệp", "tổ chức", "tên tổ chức"),
        *("cơ quan", "cty", "tên cty", "công ty / tổ chức"),
    ),
}
"""Names that are a field's whole name."""

LIKELY: Mapping[str, Sequence[str]] = {
    "email": (),
    "first_name": (),
    # In Brazil an `apelido` is a nickname; in Portugal and Angola it is the family name.
    "last_name": ("apelido", "apelidos"),
    "company": (
        *("account name", "account", "business", "firm", "employeur", "Arbeitgeber", "đơn vị"),
        *("nơi làm việc",),
    ),
}
"""Names that mean something else to some people: taken when there is no better one, and said so."""

INSIDE: Mapping[str, Sequence[str]] = {
    "email": (
        *("email", "e mail", "email address", "correo electrónico", "correio eletrônico", "courriel"),
        *("mailadresse", "thư điện tử"),
    ),
    "first_name": (
        *("first name", "firstname", "given name", "forename", "primeiro nome", "primer nombre", "prénom"),
        *("vorname",),
    ),
    "last_name": (
        *("last name", "lastname", "surname", "family name", "sobrenome", "apellidos", "apellido"),
        *("nom de famille", "nachname", "familienname"),
    ),
    "company": (
        *("company", "organization", "organisation", "empresa", "entreprise", "société", "unternehmen"),
        *("firma", "công ty", "doanh nghiệp"),
    ),
}
"""Words that tell a field inside a longer name too, or misspelt."""

ELSE: Mapping[str, str] = {
    # What a column about an address, a person or a company may be about instead.
    "any": """
        id ids key code type kind status state valid validity verified verification bounced bounce bounces opt
        optin optout consent permission subscribed unsubscribed sent opened clicked count number num no date
        time at on by language lang hash md5 sha1 sha256 domain provider display label subject title role
        phone tel telephone mobile cell fax url website web site link linkedin country city zip postcode
        manager managers assistant spouse partner parent parents child emergency referrer referred sender
        owner creator created modified updated agent secondary alternative alternate second middle old
        previous former maiden yomi phonetic kana pronunciation
        tipo estado fecha data codigo numero telefono telefone celular cidade ciudad site sitio pagina cnpj
        cpf nif cif rfc cargo setor sector segundo segunda materno segmento tamanho tamano porte
        statut etat date ville telephone siret siren tva secteur taille type poste fonction
        typ datum stadt telefon nummer ort plz website webseite branche grosse rolle abteilung geburts
        loai ngay so ma dien thoai trang thai thanh pho chuc vu linh vuc quy mo thue
    """,
    "not email": """
        email mail correo courriel address adresse anschrift direccion endereco dia chi street strasse rue rua
        calle industry size revenue employees logo description descricao descripcion notes note
        department team group tax vat registration
    """,
}
"""Words that, beside those of INSIDE, say that a column is about something else."""

WHOLE = (
    *("name", "full name", "fullname", "complete name", "contact name", "contact", "person", "display name"),
    *("customer name", "client name", "customer", "client"),
    *("nome completo", "nome e sobrenome", "nome do contato", "nome do cliente", "contato", "cliente"),
    *("nombre completo", "nombre y apellidos", "nombre y apellido", "nombre del contacto", "contacto"),
    *("nom complet", "nom et prénom", "nom prénom", "prénom nom", "prénom et nom", "nom du contact"),
    *("vollständiger Name", "ganzer Name", "Vor- und Nachname", "Vorname Nachname", "Name Vorname"),
    *("Ansprechpartner", "Vorname und Nachname", "Name und Vorname"),
    *("họ và tên", "họ tên", "tên", "họ tên đầy đủ", "tên đầy đủ", "họ và tên đầy đủ", "tên khách hàng"),
    *("tên liên hệ", "người liên hệ", "tên người liên hệ"),
    *("first and last name", "first name last name", "first last name", "name and surname", "name surname"),
)
"""Columns that hold a person's whole name: never taken for a part of it."""

BESIDE: Sequence[tuple[str, str, str, float]] = (
    ("Name", "last_name", "Vorname", 0.9),
    ("Name", "last_name", "Rufname", 0.9),
    ("tên", "first_name", "họ", 0.9),
    ("tên", "first_name", "họ đệm", 0.9),
    ("tên", "first_name", "họ và tên đệm", 0.9),
    ("tên", "first_name", "họ và chữ đệm", 0.9),
    ("tên", "first_name", "họ lót", 0.9),
    ("tên", "first_name", "họ và chữ lót", 0.9),
    ("tên", "first_name", "họ và tên lót", 0.9),
    ("tên", "first_name", "họ tên đệm", 0.9),
    ("tên", "first_name", "họ tên lót", 0.9),
    ("tên", "first_name", "họ và đệm", 0.9),
    ("name", "first_name", "surname", 0.7),
    ("name", "first_name", "family name", 0.7),
    ("name", "first_name", "last name", 0.6),
    ("name", "last_name", "first name", 0.6),
)
"""What a name for all of it holds beside a column for the other part: the name, the field, the name of that
column, and how sure it is."""
