"""Checksums of identifiers. Each takes the identifier without separators, in upper case, and says whether it holds."""

from collections.abc import Sequence
from hashlib import sha256

IBAN_LENGTHS = {
    **{"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28},
    **{"CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18},
    **{"FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22},
    **{"IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20},
    **{"LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15},
    **{"PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19},
    **{"SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20},
}
"""Characters of an IBAN by country. Source: the SWIFT IBAN registry."""


def iban(text: str) -> bool:
    """ISO 13616: mod 97 of the rearranged number is 1."""
    if IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    digits = [int(c) for c in reversed(text)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0


def card(text: str) -> bool:
    """A payment card: Luhn, and the range and length of a scheme."""
    two, four = int(text[:2]), int(text[:4])
    lengths: tuple[int, ...]
    if text[0] == "4":
        lengths = (13, 16, 19)
    elif 51 <= two <= 55 or 2221 <= four <= 2720:
        lengths = (16,)
    elif two in {34, 37}:
        lengths = (15,)
    elif two in {30, 36, 38, 39}:
        lengths = (14, 16, 19)
    elif two in {50, 56, 57, 58, 60, 61, 62, 63, 64, 65, 67, 68, 69} or two == 35:
        lengths = (16, 17, 18, 19)
    elif four in {2131, 1800}:
        lengths = (15,)
    else:
        return False
    return len(text) in lengths and luhn(text) and len(set(text)) > 1


def _weighted(text: str, weights: Sequence[int]) -> int:
    return sum(int(c) * w for c, w in zip(text, weights, strict=False))


def verhoeff(text: str) -> bool:
    """The dihedral check of J. Verhoeff (1969), as Aadhaar has it."""
    product = "0123456789123406789523401789563401289567401239567859876043216598710432765982104387659321049876543210"
    permuted = "01234567891576283094580379614289160435279453126870428657390127938064157046913258"
    check = 0
    for i, c in enumerate(reversed(text)):
        check = int(product[check * 10 + int(permuted[(i % 8) * 10 + int(c)])])
    return check == 0 and text[0] not in "01"


def pesel(text: str) -> bool:
    month, day = int(text[2:4]) % 20, int(text[4:6])
    return 1 <= month <= 12 and 1 <= day <= 31 and _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def nip(text: str) -> bool:
    return _weighted(text, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(text[9]) and len(set(text)) > 1


def pl_id_card(text: str) -> bool:
    values = [int(c, 36) for c in text]
    return sum(v * w for v, w in zip(values, (7, 3, 1, 9, 7, 3, 1, 7, 3), strict=True)) % 10 == 0


def npi(text: str) -> bool:
    return text[0] in "12" and luhn("80840" + text)


def nhs(text: str) -> bool:
    check = (11 - _weighted(text, range(10, 1, -1)) % 11) % 11
    return check == int(text[9]) and len(set(text)) > 1


def ssn(text: str) -> bool:
    """No checksum: areas, groups and serials that were never given (SSA)."""
    area, group, serial = text[:3], text[3:5], text[5:]
    never = area in {"000", "666"} or area[0] == "9" or group == "00" or serial == "0000"
    return not never and text not in {"123456789", "078051120", "219099999"} and len(set(text)) > 1


def itin(text: str) -> bool:
    group = int(text[3:5])
    return text[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def sin(text: str) -> bool:
    return text[0] not in "08" and luhn(text)


def hetu(text: str) -> bool:
    digits = text[:6] + text[-4:-1]  # the century sign between them may be a hyphen, which is gone
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(digits) % 31] == text[-1] and _date(text[:2], text[2:4])


def personnummer(text: str) -> bool:
    short = text.replace("+", "")[-10:]
    day = int(short[4:6])
    return _date(str(day - 60 if day > 60 else day), short[2:4]) and luhn(short)


def nif(text: str) -> bool:
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(text[:8]) % 23] == text[8]


def nie(text: str) -> bool:
    return nif(str("XYZ".index(text[0])) + text[1:])


def rrn(text: str) -> bool:
    """Korea: the date and the century digit; the check digit is no longer one since 2020."""
    return _date(text[4:6], text[2:4]) and text[6] in "12345678"


def za_id(text: str) -> bool:
    return _date(text[4:6], text[2:4]) and text[10] in "012" and luhn(text)


def de_tax_id(text: str) -> bool:
    """ISO 7064 mod 11,10; one digit of the first ten comes two or three times."""
    if text[0] == "0" or max(text[:10].count(c) for c in set(text[:10])) not in {2, 3}:
        return False
    return _mod11_10(text[:10]) == int(text[10])


def _mod11_10(text: str) -> int:
    product = 10
    for c in text:
        product = 2 * (((int(c) + product) % 10) or 10) % 11
    return (11 - product) % 10


def codice_fiscale(text: str) -> bool:
    odd = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (*_ODD[:10], *_ODD), strict=True))
    total = sum(odd[c] if i % 2 == 0 else (int(c) if c.isdigit() else ord(c) - 65) for i, c in enumerate(text[:15]))
    return chr(65 + total % 26) == text[15]


_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def tfn(text: str) -> bool:
    return len(set(text)) > 1 and _weighted(text, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def abn(text: str) -> bool:
    reduced = str(int(text[0]) - 1) + text[1:] if text[0] != "0" else ""
    return bool(reduced) and _weighted(reduced, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def medicare(text: str) -> bool:
    return text[0] in "23456" and _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(text[8])


def cpf(text: str) -> bool:
    if len(set(text)) == 1:
        return False
    one = _weighted(text, range(10, 1, -1)) * 10 % 11 % 10
    two = _weighted(text, range(11, 1, -1)) * 10 % 11 % 10
    return (one, two) == (int(text[9]), int(text[10]))


def cn_ric(text: str) -> bool:
    """GB 11643: ISO 7064 mod 11,2."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return _date(text[12:14], text[10:12]) and "10X98765432"[_weighted(text[:17], weights) % 11] == text[17]


def bsn(text: str) -> bool:
    return len(set(text)) > 1 and _weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def nir(text: str) -> bool:
    """France: the key is 97 less the number mod 97; Corsica's 2A and 2B count as 19 and 18."""
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(text[13:])


def tr_id(text: str) -> bool:
    d = [int(c) for c in text]
    return d[0] != 0 and (7 * sum(d[0:9:2]) - sum(d[1:8:2])) % 10 == d[9] and sum(d[:10]) % 10 == d[10]


def nric(text: str) -> bool:
    total = _weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2)) + (4 if text[0] in "TG" else 3 if text[0] == "M" else 0)
    letters = "JZIHGFEDCBA" if text[0] in "ST" else "XWUTRQPNMLK" if text[0] in "FG" else "KLJNPQRTUWX"
    place = total % 11 if text[0] != "M" else 10 - total % 11
    return letters[place] == text[8]


def th_id(text: str) -> bool:
    return text[0] != "0" and (11 - _weighted(text, range(13, 1, -1)) % 11) % 10 == int(text[12])


def eth_or_btc(text: str) -> bool:
    """A wallet: Ethereum by its form, Bitcoin by Base58Check or the charset of Bech32."""
    if text.startswith(("0x", "bc1", "tb1")):
        return True
    number = 0
    for c in text:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(c)
    data = number.to_bytes(25, "big") if number.bit_length() <= 200 else b""
    return bool(data) and sha256(sha256(data[:21]).digest()).digest()[:4] == data[21:]


def _date(day: str, month: str) -> bool:
    return 1 <= int(day) <= 31 and 1 <= int(month) <= 12
