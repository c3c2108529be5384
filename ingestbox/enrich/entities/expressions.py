"""The parts that the expressions for dates and times are built from, English and Vietnamese."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.entities.gazetteer import word_set
from ingestbox.enrich.entities.numerals import O, S

MONTHS: Final = "january|february|march|april|may|june|july|august|september|october|november|december"
MONTH: Final = rf"(?:{MONTHS}|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)(?![^\W\d_])\.?)"
DAYS: Final = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
WEEKDAY: Final = rf"(?:(?:{DAYS})s?|(?:mon|tues?|wed|thurs?|thu|fri|sat|sun)(?![^\W\d_])\.?)"
YEAR: Final = r"(?:1[89]|20)[0-9]{2}(?![0-9]|[-/.][0-9])"
CENTURIES: Final = r"(?:1[89]|20)[0-9]{2}"
DAY: Final = r"(?:3[01]|[12][0-9]|0?[1-9])(?![0-9])"
NTH: Final = r"(?:3[01]|[12][0-9]|0?[1-9])(?:st|nd|rd|th)?(?![^\W_])"
TO: Final = rf"(?:{O}[-–~]{O}|{S}(?:to|through|until|till|đến|tới){S})"
SEASON: Final = "(?:spring|summer|autumn|fall|winter)"
LONG: Final = "(?:days?|weeks?|months?|years?|decades?|centuries|century|weekends?|fortnights?|nights?|quarters?|semesters?|seasons?|yrs?|wks?|mos)"  # noqa: E501
SHORT: Final = "(?:minutes?|mins?|hours?|hrs?|hr|min|seconds?|secs?)"
SINCE: Final = r"(?:ago|later|earlier|from[ ]now|old|prior)"
HOUR: Final = r"(?:2[0-4]|1[0-9]|0?[0-9])"
AMPM: Final = r"(?:a\.m\.?|p\.m\.?|am|pm|a\.m|p\.m)(?![^\W_])"
PART_VI: Final = r"(?:sáng|trưa|chiều|tối|đêm|khuya|sang|trua|chieu|toi|dem)"
REL_VI: Final = r"(?:này|nay|trước|sau|tới|rồi|qua|vừa[ ]rồi|vừa[ ]qua|ngoái|truoc|roi|nãy)"
WEEKDAY_VI: Final = r"(?:thứ[ ](?:hai|ba|tư|năm|sáu|bảy|bẩy|[2-7](?![0-9]))|chủ[ ]nhật|chu[ ]nhat|thu[ ][2-7](?![0-9])|t[2-7](?![0-9])|cn(?![^\W_]))"  # noqa: E501
HOLIDAYS: Final = (
    r"(?:christmas(?:[ ](?:eve|day))?|xmas|easter(?:[ ](?:sunday|monday|weekend))?|thanksgiving(?:[ ]day)?|halloween|hanukkah|ramadan|diwali"  # noqa: E501
    r"|(?:lunar|chinese)[ ]new[ ]year|new[ ]year(?:'?s)?[ ](?:eve|day)|valentine'?s?[ ]day|labou?r[ ]day|memorial[ ]day|independence[ ]day"  # noqa: E501
    r"|veterans[ ]day|mother'?s[ ]day|father'?s[ ]day|black[ ]friday|cyber[ ]monday|boxing[ ]day|good[ ]friday|prime[ ]day|fourth[ ]of[ ]july"  # noqa: E501
    r"|4th[ ]of[ ]july|singles'?[ ]day|women'?s[ ]day|st\.?[ ]patrick'?s[ ]day|tet(?:[ ]holiday)?|eid|national[ ]day|bank[ ]holiday)"  # noqa: E501
)
HOLIDAYS_VI: Final = (
    r"(?:tết(?:[ ](?:nguyên[ ]đán|âm[ ]lịch|dương[ ]lịch|tây|ta|trung[ ]thu|đoan[ ]ngọ))?|noel|nô[ ]en|giáng[ ]sinh|(?:rằm[ ])?trung[ ]thu|quốc[ ]khánh"  # noqa: E501
    r"|giao[ ]thừa|giỗ[ ]tổ(?:[ ]hùng[ ]vương)?|vu[ ]lan|lễ[ ]tình[ ]nhân|valentine|halloween|black[ ]friday|quốc[ ]tế[ ](?:phụ[ ]nữ|lao[ ]động|thiếu[ ]nhi))"  # noqa: E501
)
LONG_VI: Final = r"(?:ngày|tuần|tháng|năm|đêm|quý|thập[ ]kỷ|thế[ ]kỷ|ngay|tuan|thang|nam|tuổi|tuoi)"
SHORT_VI: Final = r"(?:phút|phut|giây|giay|tiếng|tieng|giờ|gio|p(?=[ ]|$))"

MONTH_WORDS: Final = f"{MONTHS}|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec".split("|")
DAY_WORDS: Final = f"{DAYS}|{DAYS.replace('|', 's|')}s|mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun".split("|")
LONG_WORDS: Final = [
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "years",
    "decade",
    "decades",
    "century",
    "centuries",
    "weekend",
    "weekends",
    "fortnight",
    "fortnights",
    "night",
    "nights",
    "quarter",
    "quarters",
    "semester",
    "semesters",
    "season",
    "seasons",
    "yr",
    "yrs",
    "wk",
    "wks",
    "mos",
]
SHORT_WORDS: Final = [
    "minute",
    "minutes",
    "min",
    "mins",
    "hour",
    "hours",
    "hr",
    "hrs",
    "second",
    "seconds",
    "sec",
    "secs",
]
SEASONS: Final = ["spring", "summer", "autumn", "fall", "winter"]
TO_WORDS: Final = frozenset("-–~") | {"to", "through", "until", "till", "đến", "tới"}
ENDS: Final = word_set(
    "sharp on and but every in today tomorrow yesterday tonight because when so the for"
) | {"", *".,!?;\n"}
"""What may follow where a bare number is an hour or a day of the month ("at 5, …", "on the 15th and …")."""
