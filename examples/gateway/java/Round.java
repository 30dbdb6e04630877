import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import vn.edoc.ApiClient;
import vn.edoc.ApiException;
import vn.edoc.api.DeliveriesApi;
import vn.edoc.api.DocumentsApi;
import vn.edoc.api.ReceiptsApi;
import vn.edoc.model.AttachmentIn;
import vn.edoc.model.DeliveryDetail;
import vn.edoc.model.DocumentIn;
import vn.edoc.model.OrganizationIn;
import vn.edoc.model.ReceiptDetail;
import vn.edoc.model.ReceiptPage;
import vn.edoc.model.ReceiptState;
import vn.edoc.model.SignerIn;
import vn.edoc.model.StatusIn;

/** The whole round with a client that openapi-generator made of the gateway's description. */
public final class Round {
  private static final String AGENCY = System.getenv("EDOC_AGENCY");

  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri(System.getenv("EDOC_URL"));
    client.setRequestInterceptor(
        request -> request.header("Authorization", "Bearer " + System.getenv("EDOC_KEY")));
    DocumentsApi documents = new DocumentsApi(client);
    DeliveriesApi deliveries = new DeliveriesApi(client);

    // A document with a small file in it. Sent again with the same key it is the same delivery.
    byte[] content = "Nội dung văn bản".getBytes(StandardCharsets.UTF_8);
    DocumentIn document = compose("201");
    document.addAttachmentsItem(new AttachmentIn().name("cong-van.txt").content(Base64.getEncoder().encodeToString(content)));
    String key = UUID.randomUUID().toString();
    DeliveryDetail sent = documents.sendDocument(AGENCY, document, key);
    if (!documents.sendDocument(AGENCY, document, key).getId().equals(sent.getId())) {
      throw new IllegalStateException("the same request made two deliveries");
    }
    System.out.println("sent " + sent.getDocumentId());

    // An error is a problem document in both languages.
    try {
      documents.sendDocument(AGENCY, compose("203").subject(""), null);
      throw new IllegalStateException("a document without a subject was taken");
    } catch (ApiException refused) {
      System.out.println("refused: " + refused.getResponseBody());
    }

    DeliveryDetail accepted =
        waitFor(
            () -> deliveries.getDelivery(AGENCY, sent.getId()),
            found -> "03".equals(found.getRecipients().get(0).getStatus()));
    System.out.println("accepted by " + accepted.getRecipients().get(0).getName());
    receive(new ReceiptsApi(client));
  }

  /** A document that came in: read it, fetch its files, say that we have it, accept it. */
  private static void receive(ReceiptsApi receipts) throws Exception {
    ReceiptPage page =
        waitFor(
            () -> receipts.listReceipts(AGENCY, ReceiptState.WAITING, null, null, null, null, null, null, null, null),
            found -> !found.getItems().isEmpty());
    int id = page.getItems().get(0).getId();
    ReceiptDetail receipt = receipts.getReceipt(AGENCY, id);
    for (var attachment : receipt.getAttachments()) {
      File fetched = receipts.getAttachment(AGENCY, id, attachment.getNumber());
      System.out.println("fetched " + attachment.getSafeName() + " " + fetched.length());
      Files.delete(Path.of(fetched.getPath()));
    }
    receipts.markHandled(AGENCY, id);
    receipts.reportStatus(AGENCY, id, new StatusIn().code(StatusIn.CodeEnum._03), null);
    System.out.println("round complete: " + receipt.getDocument().getSubject());
  }

  private static DocumentIn compose(String number) {
    return new DocumentIn()
        .addRecipientsItem(new OrganizationIn().id(System.getenv("EDOC_PARTNER")).name("Văn phòng Chính phủ"))
        .number(number)
        .notation("SNV-VP")
        .issuedOn(LocalDate.now(ZoneOffset.UTC))
        .typeName("Công văn")
        .subject("V/v gửi từ Java")
        .signer(new SignerIn().fullName("Nguyễn Văn A").position("Giám đốc"))
        .place("Hà Nội");
  }

  private static <T> T waitFor(Callable<T> ask, Predicate<T> holds) throws Exception {
    for (int attempt = 0; attempt < 600; attempt++) {
      T found = ask.call();
      if (holds.test(found)) {
        return found;
      }
      Thread.sleep(100);
    }
    throw new IllegalStateException("it took too long");
  }
}
