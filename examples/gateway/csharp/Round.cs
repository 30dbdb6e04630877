// The whole round from C# (.NET 8), with nothing but the base library. A client generated from openapi.json
// (NSwag, Kiota, openapi-generator) does the same with types.
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

var agency = Environment.GetEnvironmentVariable("EDOC_AGENCY")!;
using var http = new HttpClient { BaseAddress = new Uri(Environment.GetEnvironmentVariable("EDOC_URL")!) };
http.DefaultRequestHeaders.Authorization =
    new AuthenticationHeaderValue("Bearer", Environment.GetEnvironmentVariable("EDOC_KEY"));

var document = new
{
    recipients = new[] { new { id = Environment.GetEnvironmentVariable("EDOC_PARTNER"), name = "Văn phòng Chính phủ" } },
    number = "401",
    notation = "SNV-VP",
    issued_on = DateTime.UtcNow.ToString("yyyy-MM-dd"),
    type_name = "Công văn",
    subject = "V/v gửi từ C#",
    signer = new { full_name = "Nguyễn Văn A", position = "Giám đốc" },
    place = "Hà Nội",
};

// A form: the files come beside the document, as large as they are.
using var form = new MultipartFormDataContent
{
    { JsonContent.Create(document), "document" },
    { new ByteArrayContent(Encoding.UTF8.GetBytes("Nội dung văn bản")), "files", "cong-van.txt" },
};
using var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/agencies/{agency}/documents/form") { Content = form };
request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
var sent = await Read(await http.SendAsync(request));
var accepted = await WaitFor($"/v1/agencies/{agency}/deliveries/{sent["id"]}",
    found => (string?)found["recipients"]![0]!["status"] == "03");
Console.WriteLine($"accepted by {accepted["recipients"]![0]!["name"]}");

var page = await WaitFor($"/v1/agencies/{agency}/receipts?state=waiting", found => found["items"]!.AsArray().Count > 0);
var path = $"/v1/agencies/{agency}/receipts/{page["items"]![0]!["id"]}";
var receipt = await Read(await http.GetAsync(path));
foreach (var file in receipt["attachments"]!.AsArray())
    Console.WriteLine($"fetched {file!["safe_name"]} {(await http.GetByteArrayAsync((string)file["href"]!)).Length}");
await Read(await http.PostAsync($"{path}/handled", null));
await Read(await http.PostAsJsonAsync($"{path}/statuses", new { code = "03" }));
Console.WriteLine($"round complete: {receipt["document"]!["subject"]}");

async Task<JsonNode> Read(HttpResponseMessage answer)
{
    var body = (await answer.Content.ReadFromJsonAsync<JsonNode>())!;
    if (!answer.IsSuccessStatusCode) throw new InvalidOperationException((string?)body["detail_vi"]);
    return body;
}

async Task<JsonNode> WaitFor(string address, Func<JsonNode, bool> holds)
{
    for (var attempt = 0; attempt < 600; attempt++)
    {
        var found = await Read(await http.GetAsync(address));
        if (holds(found)) return found;
        await Task.Delay(100);
    }
    throw new TimeoutException();
}

// A receiver of webhooks calls this with the bytes of the body as they came.
static bool IsGenuine(string secret, string id, string timestamp, string signatures, byte[] body)
{
    if (Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - long.Parse(timestamp)) > 300) return false;
    var key = Convert.FromBase64String(secret.StartsWith("whsec_") ? secret[6..] : secret);
    var content = Encoding.UTF8.GetBytes($"{id}.{timestamp}.").Concat(body).ToArray();
    var wanted = Encoding.ASCII.GetBytes("v1," + Convert.ToBase64String(HMACSHA256.HashData(key, content)));
    return signatures.Split(' ').Any(one => CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(one), wanted));
}
