import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.vnpt.xml.base.Content;
import com.vnpt.xml.ed.builder.EdXmlBuilder;
import com.vnpt.xml.ed.parser.EdXmlParser;
import com.vnpt.xml.status.builder.StatusXmlBuilder;
import com.vnpt.xml.status.parser.StatusXmlParser;
import com.vpcp.services.AgencyServiceImp;
import com.vpcp.services.KnobstickServiceImp;
import com.vpcp.services.VnptProperties;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.Map;

/**
 * Runs the vendor's client and library, unchanged, by commands on standard input: one JSON object a line, one line of
 * answer each ("= " and JSON, or "! " and the exception). A system keeps its service objects as long as the process
 * lives, as real callers do.
 *
 * <p>Arguments: the hub's URL, a folder for downloads.
 */
public final class VendorDriver {
  private static final Gson GSON = new Gson();
  private static final Map<String, Object> SERVICES = new HashMap<String, Object>();

  public static void main(String[] arguments) throws Exception {
    PrintStream answers = new PrintStream(System.out, true, "UTF-8");
    System.setOut(new PrintStream(new ByteArrayOutputStream())); // the client prints secrets of its own
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      JsonObject command = new JsonParser().parse(line).getAsJsonObject();
      try {
        Object answer = command.has("call") ? call(command, arguments) : rebuild(command, arguments[1]);
        answers.println("= " + GSON.toJson(answer));
      } catch (InvocationTargetException error) {
        answers.println("! " + error.getCause());
      } catch (Exception error) {
        answers.println("! " + error);
      }
    }
  }

  private static Object call(JsonObject command, String[] arguments) throws Exception {
    String name = command.get("call").getAsString();
    JsonArray given = command.get("arguments").getAsJsonArray();
    for (Object service : new Object[] {find(command, arguments, true), find(command, arguments, false)}) {
      for (Method method : service.getClass().getDeclaredMethods()) {
        if (method.getName().equals(name) && method.getParameterTypes().length == given.size()) {
          Object[] values = new Object[given.size()];
          for (int index = 0; index < values.length; index++) {
            values[index] = given.get(index).getAsString();
          }
          return method.invoke(service, values);
        }
      }
    }
    throw new NoSuchMethodException(name);
  }

  private static Object find(JsonObject command, String[] arguments, boolean documents) {
    String system = command.get("system").getAsString();
    String key = system + documents;
    if (!SERVICES.containsKey(key)) {
      String secret = command.get("secret").getAsString();
      VnptProperties properties = new VnptProperties(arguments[0], system, secret, arguments[1], 10, 3);
      SERVICES.put(key, documents ? new KnobstickServiceImp(properties) : new AgencyServiceImp(properties));
    }
    return SERVICES.get(key);
  }

  private static Object rebuild(JsonObject command, String folder) throws Exception {
    FileInputStream source = new FileInputStream(command.get("rebuild").getAsString());
    String work = Files.createTempDirectory(Paths.get(folder), "rebuild").toString();
    Content built =
        command.get("kind").getAsString().equals("status")
            ? StatusXmlBuilder.build(StatusXmlParser.parse(source), work)
            : EdXmlBuilder.build(EdXmlParser.getInstance().parse(source), work);
    File target = new File(command.get("target").getAsString());
    Files.copy(built.getContent().toPath(), target.toPath(), StandardCopyOption.REPLACE_EXISTING);
    return target.getPath();
  }
}
