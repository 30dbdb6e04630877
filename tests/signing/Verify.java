// Verifies XML signatures with the JDK's own XML Signature: one line "file<TAB>key" in, one line "file<TAB>verdict" out.
// The key is a public key or a certificate, PEM. What KeyInfo says is not looked at.

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.cert.CertificateFactory;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

public class Verify {
    static final String DS = "http://www.w3.org/2000/09/xmldsig#";

    public static void main(String[] arguments) throws Exception {
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = input.readLine()) != null; ) {
            String[] parts = line.split("\t");
            System.out.println(parts[0] + "\t" + verdict(parts[0], parts[1]));
        }
    }

    static String verdict(String file, String keyFile) {
        try {
            var builders = DocumentBuilderFactory.newInstance();
            builders.setNamespaceAware(true);
            builders.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            Document document = builders.newDocumentBuilder().parse(new File(file));
            NodeList found = document.getElementsByTagNameNS(DS, "Signature");
            if (found.getLength() != 1) return "error: " + found.getLength() + " signatures";
            var context = new DOMValidateContext(key(keyFile), found.item(0));
            context.setProperty("org.jcp.xml.dsig.secureValidation", Boolean.TRUE);
            NodeList all = document.getElementsByTagName("*");
            for (int i = 0; i < all.getLength(); i++) {
                for (String name : new String[] {"Id", "ID", "id"}) {
                    var element = (Element) all.item(i);
                    if (element.hasAttribute(name)) context.setIdAttributeNS(element, null, name);
                }
            }
            var signature = XMLSignatureFactory.getInstance("DOM").unmarshalXMLSignature(context);
            return signature.validate(context) ? "valid" : "invalid";
        } catch (Exception error) {
            return "error: " + String.valueOf(error.getMessage()).replace('\n', ' ');
        }
    }

    static PublicKey key(String file) throws Exception {
        String text = Files.readString(Path.of(file));
        byte[] der = Base64.getMimeDecoder().decode(text.replaceAll("-----[A-Z ]+-----", ""));
        if (text.contains("CERTIFICATE")) {
            var stream = new java.io.ByteArrayInputStream(der);
            return CertificateFactory.getInstance("X.509").generateCertificate(stream).getPublicKey();
        }
        try {
            return KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(der));
        } catch (java.security.spec.InvalidKeySpecException other) {
            return KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(der));
        }
    }
}
