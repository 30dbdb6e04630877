<?php
// The whole round from PHP, with nothing but PHP itself: its HTTP streams and JSON.
declare(strict_types=1);

$agency = getenv('EDOC_AGENCY');

/** Call the gateway; gives its answer, JSON decoded, and the HTTP status. */
function call(string $method, string $path, ?array $body = null, array $headers = []): array
{
    $headers[] = 'Authorization: Bearer ' . getenv('EDOC_KEY');
    if ($body !== null) {
        $headers[] = 'Content-Type: application/json';
    }
    $context = stream_context_create(['http' => [
        'method' => $method,
        'header' => $headers,
        'content' => $body === null ? '' : json_encode($body, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR),
        'ignore_errors' => true,
        'follow_location' => 0,
        'timeout' => 60,
    ]]);
    $answer = file_get_contents(getenv('EDOC_URL') . $path, false, $context);
    preg_match('{ (\d{3})}', $http_response_header[0], $found);
    return [(int) $found[1], json_decode($answer, true) ?? $answer];
}

function wait_for(string $path, callable $holds): array
{
    for ($attempt = 0; $attempt < 600; $attempt++) {
        [, $found] = call('GET', $path);
        if ($holds($found)) {
            return $found;
        }
        usleep(100000);
    }
    throw new RuntimeException('it took too long');
}

$document = [
    'recipients' => [['id' => getenv('EDOC_PARTNER'), 'name' => 'Văn phòng Chính phủ']],
    'number' => '301',
    'notation' => 'SNV-VP',
    'issued_on' => gmdate('Y-m-d'),
    'type_name' => 'Công văn',
    'subject' => 'V/v gửi từ PHP',
    'signer' => ['full_name' => 'Nguyễn Văn A', 'position' => 'Giám đốc'],
    'place' => 'Hà Nội',
    'attachments' => [['name' => 'cong-van.txt', 'content' => base64_encode('Nội dung văn bản')]],
];
$key = ['Idempotency-Key: ' . bin2hex(random_bytes(16))];
[$status, $sent] = call('POST', "/v1/agencies/$agency/documents", $document, $key);
if ($status !== 201) {
    throw new RuntimeException($sent['detail_vi']);  // an error is a problem document in both languages
}
[, $again] = call('POST', "/v1/agencies/$agency/documents", $document, $key);
if ($again['id'] !== $sent['id']) {
    throw new RuntimeException('the same request made two deliveries');
}
$accepted = wait_for("/v1/agencies/$agency/deliveries/{$sent['id']}", fn ($found) => $found['recipients'][0]['status'] === '03');
echo 'accepted by ', $accepted['recipients'][0]['name'], "\n";

$page = wait_for("/v1/agencies/$agency/receipts?state=waiting", fn ($found) => $found['items'] !== []);
$path = "/v1/agencies/$agency/receipts/{$page['items'][0]['id']}";
[, $receipt] = call('GET', $path);
foreach ($receipt['attachments'] as $file) {
    [, $content] = call('GET', $file['href']);
    echo 'fetched ', $file['safe_name'], ' ', strlen($content), "\n";
}
call('POST', "$path/handled");
[$status, $problem] = call('POST', "$path/statuses", ['code' => '03']);
if ($status !== 201) {
    throw new RuntimeException($problem['detail_vi']);
}
echo 'round complete: ', $receipt['document']['subject'], "\n";
