// Java's own client, which offers to upgrade every connection to HTTP/2. Arguments: the URL and how many requests to send.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;

public class HttpClientCheck {
    public static void main(String[] arguments) throws Exception {
        byte[] query = "{\"query\": \"{ __typename }\"}".getBytes(StandardCharsets.UTF_8);
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();
        for (int number = 0; number < Integer.parseInt(arguments[1]); number++) {
            // By Content-Length and chunked in turn.
            BodyPublisher body = number % 2 == 0
                ? BodyPublishers.ofByteArray(query)
                : BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(query));
            HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
                .header("Content-Type", "application/json").POST(body).build();
            var response = client.send(request, BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
