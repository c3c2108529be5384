"""The small closed classes of words that rules ask for by name, and the numbers of the rules."""

from __future__ import annotations

from typing import Final

SCOPE: Final = 4
"""Syllables between a negation and the judgement that it turns."""

REACH: Final = 6
"""Syllables between a thing and a word that judges it."""

NOWHERE: Final = -99
UNITS: Final = frozenset(
    {
        "gio",
        "giờ",
        "hom",
        "hours",
        "hôm",
        "nam",
        "ngay",
        "ngày",
        "năm",
        "phut",
        "phút",
        "thang",
        "tháng",
        "tieng",
        "tiếng",
        "tuan",
        "tuần",
    }
)
MINUTES: Final = frozenset({"phút", "phut"})
STARS: Final = frozenset({"sao", "star", "stars"})
POINTS: Final = frozenset({"điểm", "diem"})
LESS: Final = frozenset({"trừ", "bớt", "tru", "bot"})
COMPARING: Final = frozenset(
    {
        "bang",
        "bằng",
        "cac",
        "các",
        "hon",
        "hơn",
        "la",
        "là",
        "moi",
        "mọi",
        "nhu",
        "như",
        "so",
        "từ",
        "voi",
        "với",
    }
)
COMPARED: Final = frozenset({"hơn", "thua", "kém", "với", "như", "bằng"})
"""What follows these is compared with."""

SUCH: Final = frozenset({"den", "nay", "nhu", "như", "này", "the", "thế", "vay", "vậy", "đến"})
VOCATIVES: Final = frozenset(
    {
        "a",
        "ad",
        "admin",
        "ah",
        "anh",
        "bac",
        "ban",
        "ben",
        "bác",
        "bên",
        "bạn",
        "ca",
        "cac",
        "chi",
        "chị",
        "các",
        "cả",
        "em",
        "ha",
        "hả",
        "luon",
        "luôn",
        "minh",
        "moi",
        "mình",
        "mọi",
        "nguoi",
        "người",
        "nha",
        "nhi",
        "nhà",
        "nhỉ",
        "oi",
        "roi",
        "rồi",
        "shop",
        "ta",
        "the",
        "thế",
        "vay",
        "vậy",
        "à",
        "ơi",
        "ạ",
    }
)
ASKING: Final = frozenset({"không", "chưa", "khong", "chua"})
SOFTENERS: Final = frozenset({"lắm", "lam", "mấy", "may"})

# How a clause under an influence counts: the share of its praise, then of its faults.
ASK: Final = (0.1, 0.25)
QUESTION: Final = (0.3, 0.75)
REQUEST: Final = (0.4, 0.65)
SUPPOSE: Final = (0.3, 0.4)
BEFORE: Final = (0.35, 0.35)
WISHED: Final = (0.1, 1.0)
QUICK: Final = frozenset({"lẹ", "mau", "nhanh", "nhiều", "nhieu"})

SOME: Final = frozenset({"một", "hai", "ba", "bốn", "năm", "vài", "mấy", "nửa", "mot", "vai", "nua"})
"""Numbers in words, before a unit of time."""

SELVES: Final = frozenset(
    {
        "em",
        "mình",
        "minh",
        "tôi",
        "toi",
        "mọi",
        "khách",
        "lớp",
        "rất",
        "hơi",
        "khá",
        "không",
        "bị",
        "dễ",
        "khó",
        "chỉ",
        "phải",
        "đành",
        "mới",
        "thấy",
        "cảm",
    }
)
"""After these words, "nên" says "so": it tells what came of it."""

NONE_OF: Final = frozenset({"nào", "nao"})
"""After a unit of time, these deny it: "chưa ngày nào"."""

EVENING: Final = frozenset({"tối", "toi"})
"""Dark, but the evening after an hour."""

LATTER: Final = 1.2
"""Weight after "còn"."""

WHEREAS: Final = (0.7, 1.1)
"""Weights before and after "mà", which contrasts less than "nhưng"."""

EXPECTED: Final = frozenset({"device", "battery", "speed", "voice", "lasting", "staff"})
"""Classes of things and people of which it is a fault that they do not do something."""

DATED: Final = frozenset(
    {
        "ngày",
        "ngay",
        "từ",
        "tu",
        "hôm",
        "hom",
        "lễ",
        "le",
        "đến",
        "den",
        "tới",
        "toi",
        "sáng",
        "tối",
        "trưa",
        "chiều",
        "tháng",
    }
)
"""After these, "4/5" is a date."""

HELPING: Final = frozenset({"giúp", "giup", "hộ", "ho"})
