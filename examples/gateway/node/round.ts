// The whole round with a client that @hey-api/openapi-ts generated from the gateway's description:
// send a document, wait for its recipient's status, take a document that came in, accept it.
import { randomUUID } from "node:crypto";
import { client } from "./client/client.gen.js";
import {
  getAttachment, getDelivery, getReceipt, listReceipts, markHandled, reportStatus, sendDocument, sendDocumentForm,
} from "./client/sdk.gen.js";
import type { DocumentIn } from "./client/types.gen.js";

const environment = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`set ${name}`);
  return value;
};
const agency = environment("EDOC_AGENCY");
client.setConfig({ baseUrl: environment("EDOC_URL"), auth: () => environment("EDOC_KEY"), throwOnError: true });

const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function waitFor<T>(ask: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const found = await ask();
    if (holds(found)) return found;
    await later(100);
  }
  throw new Error("it took too long");
}

const compose = (number: string): DocumentIn => ({
  recipients: [{ id: environment("EDOC_PARTNER"), name: "Văn phòng Chính phủ" }],
  number,
  notation: "SNV-VP",
  issued_on: new Date().toISOString().slice(0, 10),
  type_name: "Công văn",
  subject: "V/v gửi từ TypeScript",
  signer: { full_name: "Nguyễn Văn A", position: "Giám đốc" },
  place: "Hà Nội",
});
const content = Buffer.from("Nội dung văn bản");

// A document with a small file in it. Sent again with the same key it is the same delivery.
const body = { ...compose("101"), attachments: [{ name: "cong-van.txt", content: content.toString("base64") }] };
const headers = { "idempotency-key": randomUUID() };
const sent = (await sendDocument({ path: { agency }, headers, body, throwOnError: true })).data;
const again = (await sendDocument({ path: { agency }, headers, body, throwOnError: true })).data;
if (again.id !== sent.id) throw new Error("the same request made two deliveries");

// A document whose files come beside it, as large as they are.
const files = [new File([content], "phu-luc.txt")];
const form = await sendDocumentForm({
  path: { agency },
  body: { document: compose("102"), files },
  throwOnError: true,
});
console.log("sent", sent.document_id, "and", form.data.document_id);

// An error is a problem document in both languages.
const refused = await sendDocument({ path: { agency }, body: { ...compose("103"), subject: "" }, throwOnError: false });
console.log("refused:", refused.error?.code, "-", refused.error?.detail_vi);
if (refused.response?.status !== 422) throw new Error("a document without a subject was taken");

const delivery = await waitFor(
  async () => (await getDelivery({ path: { agency, delivery_id: sent.id }, throwOnError: true })).data,
  (found) => found.recipients[0]?.status === "03",
);
console.log("accepted by", delivery.recipients[0]?.name);

// A document that came in: read it, fetch its files, say that we have it, accept it.
const page = await waitFor(
  async () => (await listReceipts({ path: { agency }, query: { state: "waiting" }, throwOnError: true })).data,
  (found) => found.items.length > 0,
);
const path = { agency, receipt_id: page.items[0]!.id };
const receipt = (await getReceipt({ path, throwOnError: true })).data;
for (const file of receipt.attachments) {
  const blob = (await getAttachment({ path: { ...path, number: file.number }, parseAs: "blob", throwOnError: true })).data;
  console.log("fetched", file.safe_name, (blob as Blob).size);
}
await markHandled({ path, throwOnError: true });
await reportStatus({ path, body: { code: "03" }, throwOnError: true });
console.log("round complete:", receipt.document?.subject);
