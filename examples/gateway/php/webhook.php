<?php
// A receiver of webhooks (Standard Webhooks). The signature is checked over the bytes as they came.
declare(strict_types=1);

/** Whether a message is the gateway's, and fresh. */
function is_genuine(string $secret, string $id, string $timestamp, string $signatures, string $body): bool
{
    if (abs(time() - (int) $timestamp) > 300) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret));
    $wanted = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    foreach (explode(' ', $signatures) as $signature) {
        if (hash_equals($wanted, $signature)) {
            return true;
        }
    }
    return false;
}

if (PHP_SAPI !== 'cli') {
    $body = file_get_contents('php://input');
    $genuine = is_genuine(
        getenv('EDOC_WEBHOOK_SECRET'),
        $_SERVER['HTTP_WEBHOOK_ID'] ?? '',
        $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '',
        $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '',
        $body,
    );
    // Keep webhook-id: a message that comes twice has the same one. Answer when it is stored, not before.
    http_response_code($genuine ? 204 : 401);
}
