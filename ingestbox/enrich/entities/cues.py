"""The words around names: titles, head nouns, endings, and words that are never a name."""

from __future__ import annotations

from typing import Final

from ingestbox.enrich.entities.gazetteer import CUE, HEAD, ORG_TAIL, PLACE_TAIL, STOP, TITLE, mark, word_set

TITLES_EN: Final = word_set(
    "mr mrs ms miss mister dr prof professor sir madam nurse chef captain officer councillor senator "
    "president judge sergeant coach uncle aunt detective mayor minister doctor"
)
JOBS_EN: Final = word_set(
    "driver agent manager waiter waitress technician receptionist guide host hostess cashier barista "
    "consultant representative rep advisor "
    "adviser clerk teacher tutor instructor assistant supervisor owner concierge courier engineer "
    "therapist dentist surgeon "
    "husband wife son daughter friend colleague brother sister flatmate roommate partner boss neighbour "
    "neighbor director ceo founder trainer stylist hairdresser bartender server housekeeper operator"
)
TITLES_VI: Final = word_set(
    "anh chị ông bà cô chú bác em bạn thầy bs ths gs pgs ts sếp dì cậu mợ thím chi ong ba co chu bac ban "
    "thay me mẹ bố con bé cháu thằng ad a c"
)
JOBS_VI: Final = word_set(
    "tên shipper viên sĩ xế tá sư quản lý tư vấn thợ ten tuân trưởng gặp bếp gap đốc phòng"
)
INTRODUCES: Final = word_set("named called")
JOINS: Final = word_set("and & , và với or hoặc hay /")
"""What may stand between two persons."""
GREETS: Final = word_set("hi hello dear hey thanks regards sincerely cheers wishes")
SPEAKS: Final = word_set(
    "spoke talked speaking talking chatted dealt met asked ask tell told thank contacted emailed messaged"
)
DOES: Final = word_set(
    "helped said told was is explained answered apologised apologized fixed promised called arrived "
    "showed came went made took who did handled assisted solved stayed texted greeted got gave and"
)

ORG_TAILS: Final = word_set(
    "inc ltd llc llp gmbh plc corp corporation company co limited ag sa bhd pte bank airlines airways "
    "airline university college school academy institute hospital "
    "clinic hotel hotels resort inn hostel motel restaurant cafe café bistro bakery diner pizzeria grill "
    "kitchen bar pub supermarket pharmacy store stores shop mart "
    "mall group holdings partners associates solutions technologies technology systems services insurance "
    "telecom mobile wireless electronics logistics express couriers "
    "foundation association agency department ministry council committee commission authority bureau "
    "union society club gym fitness spa salon studio studios "
    "theatre theater cinema museum library church dental motors autos energy bancorp financial capital "
    "brothers foods pharma healthcare medical center centre office hostel lodge villas suites tours "
    "travel laboratories labs"
)
ORG_TAILS_WEAK: Final = word_set(
    "mobile services service systems express bar club center centre office technology shop store capital "
    "energy department kitchen grill medical travel tours group union school company council partners "
    "solutions dental gym spa"
)
PLACE_TAILS: Final = word_set(
    "street st avenue ave road rd boulevard blvd lane drive square park beach lake river island islands "
    "bridge airport station city county district market tower bay valley "
    "mountain mountains hill hills plaza village town province peninsula canal falls port harbor harbour "
    "forest desert highway way court gardens ocean sea palace castle cathedral temple terminal ward alley"
)
PLACE_HEADS: Final = word_set(
    "lake mount mt port fort cape san santa saint los las gran costa isle loch monte playa pier"
)

HEADS_PLACE: Final[dict[str, int]] = {
    # head noun → most words of the name after it
    "đường": 4, "phố": 4, "quận": 3, "huyện": 4, "phường": 4, "xã": 4, "thị xã": 4, "thị trấn": 4, "thành phố": 4, "tỉnh": 4,  # noqa: E501
    "sân bay": 4, "cầu": 3, "chợ": 3, "hồ": 3, "ga": 3, "bến xe": 4, "khu đô thị": 4, "chung cư": 4, "đảo": 3, "bãi biển": 3, "núi": 3,  # noqa: E501
    "sông": 3, "ngã tư": 4, "ngã ba": 4, "ngã sáu": 4, "đèo": 3, "vịnh": 3, "chùa": 3, "quốc lộ": 2, "tp": 4, "q": 2, "quan": 2, "huyen": 3, "phuong": 2,  # noqa: E501
    "san bay": 4, "duong": 4, "thanh pho": 4, "phố đi bộ": 3, "biển": 2, "bán đảo": 3, "cao tốc": 4, "kđt": 4, "kcn": 4, "khu công nghiệp": 4, "quảng trường": 3, "phố cổ": 3, "thôn": 3, "làng": 4, "ấp": 3, "khu phố": 2, "khu tập thể": 3, "kdc": 3, "khu dân cư": 4, "hẻm": 3, "ngõ": 3, "xóm": 3,  # noqa: E501
}  # fmt: skip
HEADS_INSIDE: Final[dict[str, int]] = {
    # the head belongs to the name, however it is written
    "bệnh viện": 6, "bv": 4, "trường": 7, "trường đại học": 7, "trường tiểu học": 5, "trường thpt": 5, "trường thcs": 5, "trường mầm non": 5, "trường cao đẳng": 6,  # noqa: E501
    "đại học": 7, "đh": 6, "cao đẳng": 6, "học viện": 6, "thpt": 4, "ubnd": 6, "ủy ban nhân dân": 6, "cục": 7, "sở": 8, "bộ": 7, "tổng cục": 6, "chi cục": 7, "phòng khám": 6,  # noqa: E501
    "phòng khám đa khoa": 5, "nhà thuốc": 4, "trung tâm": 7, "trung tâm y tế": 6, "trung tâm anh ngữ": 4, "công ty": 7, "công ty tnhh": 6, "công ty cổ phần": 6, "công ty cp": 6, "cty": 5,  # noqa: E501
    "công ty tnhh mtv": 5, "tập đoàn": 4, "tổng công ty": 6, "viện": 5, "nha khoa": 4, "thẩm mỹ viện": 4, "thế giới": 3, "bảo hiểm xã hội": 4, "bhxh": 4, "tand": 4, "tòa án nhân dân": 5, "tòa án": 5, "viện kiểm sát": 5, "kho bạc": 4, "trường mẫu giáo": 5, "điện lực": 4, "bệnh viện đa khoa": 5,  # noqa: E501
    "bệnh viện nhi": 4, "bệnh viện phụ sản": 3, "điện máy": 3, "cong ty": 4, "benh vien": 4, "dai hoc": 4, "hội đồng": 4, "công an": 0, "ngân hàng nhà nước": 3, "siêu thị điện máy": 3, "công ty cổ phần đầu tư": 5, "hợp tác xã": 4, "htx": 4, "liên đoàn": 4,  # noqa: E501
}  # fmt: skip
HEADS_WRITTEN: Final[dict[str, int]] = {
    # the head belongs to the name where it has a capital, or where the rest is no name of its own
    "ngân hàng": 5,
    "khách sạn": 4,
    "nhà hàng": 5,
    "siêu thị": 4,
    "nhà xe": 4,
    "nhà sách": 4,
    "thẩm mỹ": 4,
    "tiệm": 0,
    "quán": 4,
    "resort": 3,
    "hãng hàng không": 3,
    "ngan hang": 3,
    "khach san": 4,
    "nha hang": 4,
    "tiệm bánh": 3,
    "quán cà phê": 3,
    "spa": 3,
    "homestay": 3,
    "cà phê": 3,
    "nhà nghỉ": 3,
    "phở": 3,
    "bảo hiểm": 3,
    "quán ăn": 4,
    "quán cơm": 4,
    "quán nhậu": 4,
    "quán bún": 4,
    "quán phở": 4,
    "tiệm cơm": 4,
    "tiệm tóc": 3,
    "khu nghỉ dưỡng": 4,
    "phòng gym": 3,
    "phòng tập": 3,
    "bảo tàng": 5,
    "nhà hát": 5,
    "thư viện": 5,
    "mầm non": 4,
}
HEADS_OUTSIDE: Final[dict[str, int]] = {
    "hãng": 4,
    "shop": 3,
    "cửa hàng": 4,
    "taxi": 2,
    "hang": 0,
    "nhà mạng": 3,
    "hãng xe": 3,
    "hãng bay": 3,
    "hãng phim": 3,
    "nhãn hàng": 3,
    "nhãn hiệu": 3,
    "báo": 3,
    "sàn": 3,
    "thương hiệu": 4,
    "chuỗi": 4,
    "xe khách": 3,
    "đại lý": 4,
    "bún chả": 3,
    "bún bò": 3,
    "bánh mì": 3,
    "cơm tấm": 3,
    "lẩu": 3,
    "trà sữa": 3,
    "nhà cung cấp": 4,
    "đối tác": 4,
    "tiệm vàng": 4,
    "garage": 3,
    "gara": 3,
    "rạp": 2,
    "sàn tmđt": 2,
    "công ty bảo hiểm": 3,
}
HEADS_APP: Final[dict[str, int]] = {
    "app": 3,
    "ứng dụng": 3,
    "phần mềm": 3,
    "ung dung": 3,
    "ví điện tử": 2,
    "ví": 2,
    "game": 3,
    "trò chơi": 3,
}

DEVICES: Final = word_set(
    "tv tivi phone phones laptop laptops monitor printer fridge refrigerator washer dryer dishwasher "
    "vacuum oven microwave soundbar speaker speakers headphones earbuds earphones "
    "camera watch tablet router keyboard mouse charger blender toaster freezer projector smartwatch "
    "computer desktop ssd scooter motorbike bike truck car suv kettle mixer drill iron buds"
)
DEVICES_2: Final = frozenset(
    {
        "washing machine",
        "coffee machine",
        "air conditioner",
        "air fryer",
        "vacuum cleaner",
        "rice cooker",
        "power bank",
        "smart tv",
        "coffee maker",
        "sewing machine",
        "smart watch",
        "hair dryer",
        "gaming laptop",
        "robot vacuum",
    }
)
MODELS: Final = word_set(
    "pro max plus ultra mini air lite note se fe gen series edition oled ti super xl premium prime one "
    "studio fold flip slim neo turbo go active generation sport elite classic dock digital"
)
NUMBERED: Final = word_set(
    "flight form room seat order ticket model router bus version error code item ref reference gate "
    "platform route highway unit apt suite terminal bản mã số phòng tàu xe tầng cổng "
    "size level question page chapter line lines building block lot case invoice serial bill part step "
    "type class grade phase build bars điểm sao lỗi bài câu chương lớp khóa day days week star stars "
    "chuyến bay seri biển ghế gói áo mẫu hồ sơ covid top no vitamin"
)

GOODS_VI: Final = word_set(
    "tivi lạnh giặt đông quạt lọc điện laptop loa nghe sữa kem son áo giày dép ô bia nước lốp máy dầu gội "
    "tã bỉm phím chuột sạc pin robot hút bụi chảo bếp từ nệm gối ghế balo vali đồng hồ"
)
"""Last syllables of goods that a maker's name may follow ("tủ đông Alaska")."""

ACTS: Final = word_set(
    "cancelled canceled refused charged charges lost shipped sent promised quoted demanded raised removed "
    "denied deducted refunds refunded overcharged delivered replaced offers ignored sold banned froze "
    "closed blocked owes makes manufactures produces sells recalls recalled acquired launched unveiled "
    "operates claims advertises replied responded delayed rejected "
)
"""What a firm does to its customer; the unknown name before it is one."""

SUPPORT: Final = word_set(
    "support customer service staff website team branch store store's account card delivery employee "
    "employees representative app refused cancelled charged lost never told said says shipped sent raised "
    "promised owes offered"
)
STOPS: Final = word_set(
    "the a an this that these those my your his her our their its i we you he she it they me us them who "
    "what when where why how which and or but if so because as since while although though "
    "after before until in on at to from by with for of about into over under again then than there here "
    "not no yes never always just only also too very really still already even ever once "
    "is are was were be been am do does did has have had can could will would should may might must shall "
    "let please thanks thank hello hi hey dear great good bad best worst nice love hate "
    "terrible awful horrible amazing excellent poor ordered bought paid called asked went got received "
    "waiting waited very all every each any some many most more much one two three first last next "
    "overall however unfortunately sadly maybe perhaps nothing nobody everything everyone someone product "
    "order service staff delivery customer price quality pros cons update edit note regards "
    "best sincerely wishes cheers english french german spanish italian chinese japanese korean "
    "vietnamese thai american british european asian russian dutch indian australian canadian christian "
    "monday tuesday wednesday thursday friday saturday sunday january february march april june july "
    "august september october november december "
    "và là của có không được bị cho với khi thì mà nhưng nếu vì nên để đã đang sẽ rất quá cũng vẫn còn "
    "chỉ mới lại ra vào lên xuống đi đến về ở tại trong ngoài trên dưới này kia đó đây ấy nào gì sao "
    "tôi mình em anh chị ông bà họ nó chúng ta các những mọi mỗi một hai theo từ sau trước như nhưng hay "
    "hoặc vậy ạ nhé nha ơi thôi nữa luôn hơn nhất hết chưa đừng hãy phải cần muốn thấy biết nghĩ "
    "mua bán đặt giao hàng nhận gọi nhắn gửi dùng xài làm nói bảo xem cảm dịch vụ sản phẩm chất lượng "
    "nhân viên khách giá shop tuy dù mặc dù tuyệt tốt kém tệ ngon đẹp rẻ đắt nhanh chậm xin bên cùng "
    "người chiếc cái con "
    "order check ship app web thật vừa đúng sai chắc giờ sáng chiều tối trưa tuần tháng ngày năm số"
)

mark(" ".join(TITLES_EN | JOBS_EN | TITLES_VI | JOBS_VI | INTRODUCES), TITLE)
mark(" ".join(GREETS), CUE)
mark(" ".join(ORG_TAILS), ORG_TAIL)
mark(" ".join(PLACE_TAILS), PLACE_TAIL)
mark(" ".join(STOPS), STOP)

HEADS: Final[dict[str, tuple[int, str]]] = {
    head: (most, kind)
    for table, kind in (
        (HEADS_PLACE, "place"), (HEADS_INSIDE, "inside"), (HEADS_WRITTEN, "written"), (HEADS_OUTSIDE, "outside"), (HEADS_APP, "app"),  # noqa: E501
    )
    for head, most in table.items()
}  # fmt: skip
"""Head noun → most words of the name after it, and what becomes of the head."""

HEAD_LENGTHS: Final[dict[str, list[int]]] = {}
"""First word of a head noun → how many words the heads that begin so have, the longest first."""

for _head in HEADS:
    _first, *_rest = _head.split()
    mark(_first, HEAD)
    HEAD_LENGTHS[_first] = sorted({*HEAD_LENGTHS.get(_first, ()), 1 + len(_rest)}, reverse=True)
