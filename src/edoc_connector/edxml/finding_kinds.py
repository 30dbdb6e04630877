"""The catalogue of findings and refusals: severity, message and advice of each code, in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from .severity import Severity


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One row of the catalogue.

    Args:
        severity: weight of the finding.
        en: message in English, with the fields ``{seen}`` and ``{understood}``.
        vi: message in Vietnamese.
        advice: remedy in English, for a request to the partner; empty where none is needed.
        advice_vi: remedy in Vietnamese.
    """

    severity: Severity
    en: str
    vi: str
    advice: str = ""
    advice_vi: str = ""


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

FINDING_KINDS: dict[str, FindingKind] = {
    "EDX-BOM": FindingKind(
        _I,
        "the file begins with a byte order mark",
        "tệp bắt đầu bằng dấu thứ tự byte (BOM)",
        "write UTF-8 without a byte order mark",
        "ghi UTF-8 không có BOM",
    ),
    "EDX-UTF16": FindingKind(
        _W,
        "the packet is written in {seen}; it was recoded to UTF-8 and read",
        "gói tin viết bằng {seen}; đã chuyển sang UTF-8 để đọc",
        "write packets in UTF-8: other systems refuse such a packet",
        "ghi gói tin bằng UTF-8: hệ thống khác có thể từ chối gói tin như vậy",
    ),
    "EDX-PREFIX": FindingKind(
        _W,
        "prefix '{seen}' is not declared; taken for {understood}",
        "tiền tố '{seen}' chưa được khai báo; hiểu là {understood}",
        "declare every prefix; such a packet's own signature cannot be checked",
        "khai báo mọi tiền tố; không kiểm tra được chữ ký của gói tin như vậy",
    ),
    "EDX-LINE-ENDS": FindingKind(
        _I,
        "{seen} carriage returns stand in the file; line ends are read as one character",
        "tệp có {seen} ký tự CR; mỗi dấu xuống dòng được đọc là một ký tự",
        "nothing: XML reads all line ends alike",
        "không cần xử lý: XML đọc mọi kiểu xuống dòng như nhau",
    ),
    "EDX-AFTER-ROOT": FindingKind(
        _I,
        "{seen} bytes follow the root element",
        "có {seen} byte sau phần tử gốc",
        "end the file with the root element",
        "kết thúc tệp ngay sau phần tử gốc",
    ),
    "EDX-PREFIX-FORM": FindingKind(
        _I,
        "{seen} has not the prefix that the standard writes",
        "{seen} không có tiền tố như quy chuẩn",
        "nothing: prefixes carry no meaning; the first such element is named",
        "không cần xử lý: tiền tố không mang ý nghĩa; chỉ nêu phần tử đầu tiên",
    ),
    "EDX-SIGNATURE": FindingKind(
        _I,
        "{seen} is not an XML Signature; the packet counts as unsigned",
        "{seen} không phải chữ ký XML; gói tin coi như không ký",
        "sign with XML Signature, or leave the element out",
        "ký theo chuẩn XML Signature hoặc bỏ phần tử này",
    ),
    "EDX-NAMESPACE": FindingKind(
        _W,
        "namespace {seen} is not the standard's",
        "không gian tên {seen} không đúng quy chuẩn",
        "use http://www.mic.gov.vn/TBT/QCVN_102_2016",
        "dùng http://www.mic.gov.vn/TBT/QCVN_102_2016",
    ),
    "EDX-ROOT": FindingKind(
        _W,
        "the outer edXML element is missing; the root is {seen}",
        "thiếu phần tử edXML ngoài cùng; phần tử gốc là {seen}",
        "put edXMLEnvelope and AttachmentEncoded into an edXML element",
        "đặt edXMLEnvelope và AttachmentEncoded trong phần tử edXML",
    ),
    "EDX-NAME": FindingKind(
        _W,
        "element is called {seen}, read as {understood}",
        "phần tử có tên {seen}, đọc như {understood}",
        "spell the name as the standard does",
        "viết tên phần tử đúng như quy chuẩn",
    ),
    "EDX-ORDER": FindingKind(
        _I,
        "children of {seen} are not in the standard's order",
        "các phần tử con của {seen} không theo thứ tự quy chuẩn",
        "write the elements in the order of the tables",
        "ghi các phần tử theo thứ tự trong bảng",
    ),
    "EDX-PLACE": FindingKind(
        _W,
        "{seen} stands in {understood}, where the standard does not have it; read all the same",
        "{seen} nằm trong {understood}, không đúng chỗ theo quy chuẩn; vẫn được đọc",
        "write the element where the standard has it",
        "ghi phần tử đúng chỗ theo quy chuẩn",
    ),
    "EDX-UNKNOWN": FindingKind(
        _W,
        "unknown element {seen}; it is in the packet but not in what was read",
        "phần tử lạ {seen}; có trong gói tin nhưng không được hiểu",
        "leave it out, or ask which field it is meant for",
        "bỏ phần tử này, hoặc hỏi nơi gửi nó dùng cho trường nào",
    ),
    "EDX-ATTRIBUTE": FindingKind(
        _I, "unknown attribute {seen}", "thuộc tính lạ {seen}", "leave it out", "bỏ thuộc tính này"
    ),
    "EDX-REPEATED": FindingKind(
        _E,
        "element occurs more than once; the first was taken, this one says '{seen}'",
        "phần tử xuất hiện nhiều lần; lấy phần tử đầu, phần tử này ghi '{seen}'",
        "ask the sender which one is meant",
        "hỏi nơi gửi giá trị nào là đúng",
    ),
    "EDX-GROUP": FindingKind(
        _E,
        "group {seen} occurs more than once; read as one",
        "nhóm {seen} xuất hiện nhiều lần; đọc gộp làm một",
        "write one group that holds all its elements",
        "ghi một nhóm chứa tất cả các phần tử",
    ),
    "EDX-MISSING": FindingKind(
        _E,
        "required element {seen} is missing",
        "thiếu phần tử bắt buộc {seen}",
        "ask the sender for a complete packet",
        "đề nghị nơi gửi gửi lại gói tin đầy đủ",
    ),
    "EDX-EMPTY": FindingKind(
        _I,
        "empty element {seen}, left out",
        "phần tử {seen} rỗng, bỏ qua",
        "leave empty elements out",
        "không ghi phần tử rỗng",
    ),
    "EDX-NULL": FindingKind(
        _W,
        "the text '{seen}' stands for no value",
        "chữ '{seen}' được hiểu là không có giá trị",
        "leave the element out where there is no value",
        "không ghi phần tử khi không có giá trị",
    ),
    "EDX-SPACE": FindingKind(
        _I,
        "spaces around the value were trimmed",
        "đã cắt khoảng trắng ở hai đầu giá trị",
        "write the value without spaces around it",
        "ghi giá trị không có khoảng trắng ở hai đầu",
    ),
    "EDX-COMMENT": FindingKind(
        _W,
        "a comment or processing instruction stands inside the value; read as '{understood}'",
        "có chú thích hoặc chỉ thị xử lý nằm trong giá trị; đọc là '{understood}'",
        "compare with the original: programs read such a value differently",
        "đối chiếu với bản gốc: các phần mềm có thể đọc giá trị này khác nhau",
    ),
    "EDX-NESTED": FindingKind(
        _E,
        "elements stand where a text belongs: {seen}",
        "có phần tử con ở chỗ chỉ được ghi chữ: {seen}",
        "ask the sender what the value is",
        "hỏi nơi gửi giá trị đúng",
    ),
    "EDX-TEXT": FindingKind(
        _W,
        "stray text '{seen}' between elements",
        "có chữ thừa '{seen}' giữa các phần tử",
        "put the text into the element it belongs to",
        "đưa đoạn chữ vào đúng phần tử",
    ),
    "EDX-LENGTH": FindingKind(
        _W,
        "{seen} characters, at most {understood}",
        "{seen} ký tự, tối đa {understood}",
        "shorten the value: hubs may refuse it",
        "rút gọn giá trị: trục liên thông có thể từ chối",
    ),
    "EDX-VALUE": FindingKind(
        _E,
        "'{seen}' is not a value this element may have",
        "'{seen}' không phải giá trị hợp lệ của phần tử này",
        "ask the sender what is meant",
        "hỏi nơi gửi giá trị đúng",
    ),
    "EDX-FORM": FindingKind(
        _W,
        "'{seen}' is not written as the standard has it; read as {understood}",
        "'{seen}' không viết đúng dạng quy chuẩn; đọc là {understood}",
        "write the value in the form of the tables",
        "ghi giá trị theo dạng trong bảng",
    ),
    "EDX-KEPT": FindingKind(
        _W,
        "'{seen}' is not one of the standard's values; kept as it is",
        "'{seen}' không thuộc các giá trị của quy chuẩn; giữ nguyên như vậy",
        "ask the sender what is meant; write a value of the standard",
        "hỏi nơi gửi ý nghĩa của giá trị này; ghi giá trị theo quy chuẩn",
    ),
    "EDX-DATE-FORM": FindingKind(
        _W,
        "'{seen}' is not written yyyy/MM/dd; read as {understood}",
        "'{seen}' không theo dạng yyyy/MM/dd; đọc là {understood}",
        "write dates yyyy/MM/dd; where day and month could be swapped, check with the document",
        "ghi ngày theo dạng yyyy/MM/dd; nếu có thể lẫn ngày với tháng, đối chiếu với văn bản",
    ),
    "EDX-TIME-FORM": FindingKind(
        _W,
        "'{seen}' is not written yyyy/MM/dd HH:mm:ss; read as {understood}, Vietnam time",
        "'{seen}' không theo dạng yyyy/MM/dd HH:mm:ss; đọc là {understood}, giờ Việt Nam",
        "write times yyyy/MM/dd HH:mm:ss, Vietnam time",
        "ghi thời gian theo dạng yyyy/MM/dd HH:mm:ss, giờ Việt Nam",
    ),
    "EDX-YEAR": FindingKind(
        _W,
        "the year of '{seen}' cannot be right",
        "năm trong '{seen}' không thể đúng",
        "look for the date in the document: a program on the way took the day for the year, or the like",
        "xem ngày trên văn bản: có thể một phần mềm đã đọc nhầm ngày thành năm",
    ),
    "EDX-DATE-ID": FindingKind(
        _W,
        "PromulgationDate says '{seen}', the date inside DocumentId is {understood}",
        "PromulgationDate ghi '{seen}', ngày trong DocumentId là {understood}",
        "look for the date in the document; the one inside DocumentId is the better guess, as no hub rewrites it",
        "xem ngày trên văn bản; ngày trong DocumentId đáng tin hơn vì trục liên thông không sửa",
    ),
    "EDX-ID-DATE": FindingKind(
        _W,
        "the date inside DocumentId '{seen}' does not exist",
        "ngày trong DocumentId '{seen}' không có thật",
        "the id is used as it is; tell the sender",
        "mã vẫn được dùng nguyên như vậy; báo cho nơi gửi",
    ),
    "EDX-ID-FORM": FindingKind(
        _I,
        "DocumentId '{seen}' is neither a UUID nor OrganId,YYYY/MM/DD,number/notation",
        "DocumentId '{seen}' không phải UUID và không theo dạng OrganId,YYYY/MM/DD,số/ký hiệu",
        "the id is used as it is",
        "mã vẫn được dùng nguyên như vậy",
    ),
    "EDX-ORGAN-ID": FindingKind(
        _I,
        "OrganId '{seen}' follows neither code system",
        "mã '{seen}' không theo hệ thống mã nào",
        "check the code with the hub's directory",
        "đối chiếu mã với danh mục của trục liên thông",
    ),
    "EDX-CID": FindingKind(
        _W,
        "ContentId '{seen}' is not written 'cid:{understood}'",
        "ContentId '{seen}' không được viết là 'cid:{understood}'",
        "write 'cid:' once before the id, in Reference and in Attachment",
        "ghi 'cid:' đúng một lần trước mã, ở cả Reference và Attachment",
    ),
    "EDX-CID-TWICE": FindingKind(
        _E,
        "ContentId '{seen}' occurs more than once",
        "ContentId '{seen}' xuất hiện nhiều lần",
        "give each attachment an id of its own; all attachments were read",
        "mỗi tệp đính kèm dùng một mã riêng; mọi tệp vẫn được đọc",
    ),
    "EDX-NO-REFERENCE": FindingKind(
        _W,
        "attachment '{seen}' has no Reference in the manifest",
        "tệp đính kèm '{seen}' không có Reference trong manifest",
        "list every attachment in the manifest",
        "liệt kê mọi tệp đính kèm trong manifest",
    ),
    "EDX-NO-ATTACHMENT": FindingKind(
        _E,
        "Reference '{seen}' has no attachment",
        "Reference '{seen}' không có tệp đính kèm",
        "ask the sender for the missing file",
        "đề nghị nơi gửi gửi tệp còn thiếu",
    ),
    "EDX-CONTENT-TYPE": FindingKind(
        _I,
        "manifest and attachment give different content types: {seen}; taken as {understood}",
        "manifest và tệp đính kèm ghi loại nội dung khác nhau: {seen}; lấy {understood}",
        "give the same content type in both",
        "ghi cùng một loại nội dung ở cả hai nơi",
    ),
    "EDX-CONTENT-NAME": FindingKind(
        _W,
        "manifest and attachment give different names: {seen}; taken as {understood}",
        "manifest và tệp đính kèm ghi tên khác nhau: {seen}; lấy {understood}",
        "give the same name in both",
        "ghi cùng một tên ở cả hai nơi",
    ),
    "EDX-NO-CONTENT": FindingKind(
        _E,
        "attachment '{seen}' has no content",
        "tệp đính kèm '{seen}' không có nội dung",
        "ask the sender for the file",
        "đề nghị nơi gửi gửi lại tệp",
    ),
    "EDX-BASE64": FindingKind(
        _E,
        "content of '{seen}' cannot be decoded: {understood}",
        "không giải mã được nội dung của '{seen}': {understood}",
        "ask the sender for the file again",
        "đề nghị nơi gửi gửi lại tệp",
    ),
    "EDX-BASE64-SPACE": FindingKind(
        _I,
        "spaces or line breaks stand in the base64 of '{seen}'; left out",
        "có khoảng trắng hoặc xuống dòng trong base64 của '{seen}'; bỏ qua",
        "write base64 without line breaks",
        "ghi base64 không xuống dòng",
    ),
    "EDX-BASE64-URL": FindingKind(
        _W,
        "the base64 of '{seen}' is of the URL-safe alphabet; it was decoded",
        "base64 của '{seen}' dùng bảng chữ an toàn cho URL; đã được giải mã",
        "write the usual base64, with + and /",
        "ghi base64 thông thường, với + và /",
    ),
    "EDX-BASE64-PADDING": FindingKind(
        _W,
        "the base64 of '{seen}' ends without its padding; it was decoded as it is",
        "base64 của '{seen}' thiếu ký tự đệm ở cuối; vẫn được giải mã",
        "open the file: its end may be cut off; write base64 with its padding (=)",
        "mở thử tệp: phần cuối có thể bị cắt; ghi base64 đủ ký tự đệm (=)",
    ),
    "EDX-CONTENT-BYTES": FindingKind(
        _W,
        "the bytes of {seen} are of the type {understood}; they are handed out as they came",
        "nội dung của {seen} thực ra thuộc loại {understood}; tệp được giữ nguyên như khi đến",
        "do not open the file by its name or stated type; ask the sender to name it rightly",
        "không mở tệp theo tên hoặc loại đã ghi; đề nghị nơi gửi ghi đúng tên và loại",
    ),
    "EDX-ZIP-MORE": FindingKind(
        _E,
        "the zip around '{seen}' is more than a wrapping of one file: {understood}; it is not opened",
        "zip bọc '{seen}' không chỉ chứa đúng một tệp: {understood}; không mở zip này",
        "attach each file by itself; the zip as it came is in the packet",
        "đính kèm riêng từng tệp; zip gốc vẫn nằm trong gói tin",
    ),
    "EDX-PACKED": FindingKind(
        _I,
        "the file is wrapped in a zip ({seen}); it is unpacked and taken as {understood}",
        "tệp được gói trong zip ({seen}); đã được giải nén và coi là {understood}",
        "nothing: hubs wrap files so",
        "không cần xử lý: trục liên thông thường gói tệp như vậy",
    ),
    "EDX-NOT-ZIP": FindingKind(
        _W,
        "'{seen}' is announced as a zip and is none; taken as the file itself",
        "'{seen}' ghi là zip nhưng không phải; coi là chính tệp đó",
        "give the file's own content type",
        "ghi đúng loại nội dung của tệp",
    ),
    "EDX-MARK": FindingKind(
        _W,
        "the mark {seen} stands in the text: documents with state secrets must not go over this exchange",
        "có dấu chỉ độ mật {seen}: văn bản chứa bí mật nhà nước không được gửi qua trục này",
        "ask whether the document is a state secret; if it is, follow the Law on Protection of State Secrets",
        "xác minh văn bản có chứa bí mật nhà nước không; nếu có, xử lý theo Luật Bảo vệ bí mật nhà nước",
    ),
    "EDX-MANY": FindingKind(
        _E,
        "more than {seen} findings; the rest is not listed",
        "có hơn {seen} phát hiện; phần còn lại không liệt kê",
        "ask the sender for a packet that follows the standard",
        "đề nghị nơi gửi gửi gói tin đúng quy chuẩn",
    ),
}
"""Every code that the reader can report."""

REFUSALS: dict[str, FindingKind] = {
    "EDX-EMPTY-FILE": FindingKind(
        _E, "the packet is empty", "gói tin rỗng", "fetch it again; ask the sender", "tải lại; hỏi nơi gửi"
    ),
    "EDX-LEADING-BYTES": FindingKind(
        _E,
        "{understood} bytes ({seen}) stand before the XML begins",
        "có {understood} byte ({seen}) trước phần XML",
        "ask the sender for the packet without these bytes",
        "đề nghị nơi gửi gửi lại gói tin không có các byte này",
    ),
    "EDX-ENCODING": FindingKind(
        _E,
        "the packet is written in {seen}; the standard has UTF-8",
        "gói tin viết bằng bảng mã {seen}; quy chuẩn dùng UTF-8",
        "ask the sender to write it in UTF-8",
        "đề nghị nơi gửi viết lại bằng UTF-8",
    ),
    "EDX-XML-VERSION": FindingKind(
        _E,
        "the packet is XML {seen}; the standard has 1.0",
        "gói tin là XML {seen}; quy chuẩn dùng 1.0",
        "ask the sender to write XML 1.0",
        "đề nghị nơi gửi viết XML 1.0",
    ),
    "EDX-NOT-XML": FindingKind(
        _E,
        "not well-formed XML: {seen}",
        "XML sai cú pháp: {seen}",
        "ask the sender for an intact packet",
        "đề nghị nơi gửi gửi lại gói tin nguyên vẹn",
    ),
    "EDX-DOCTYPE": FindingKind(
        _E,
        "the packet holds a DOCTYPE, which edXML has no use for and which can hide attacks",
        "gói tin chứa DOCTYPE, edXML không dùng và có thể che giấu tấn công",
        "ask the sender for a packet without it",
        "đề nghị nơi gửi gửi lại gói tin không có DOCTYPE",
    ),
    "EDX-LIMIT": FindingKind(
        _E,
        "the packet has more than {understood} {seen}",
        "gói tin có quá {understood} {seen}",
        "raise the limit if the packet is to be read",
        "nâng giới hạn nếu cần đọc gói tin này",
    ),
    "EDX-STRUCTURE": FindingKind(
        _E,
        "not an edXML packet: {seen}",
        "không phải gói tin edXML: {seen}",
        "check that the file is a packet, and ask the sender for a correct one",
        "kiểm tra tệp có đúng là gói tin không và đề nghị nơi gửi gửi lại",
    ),
}
"""Every code of `PacketError`, the reasons why a packet cannot be read at all."""
