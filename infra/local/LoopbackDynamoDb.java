import com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBRequestHandler;
import com.amazonaws.services.dynamodbv2.local.server.LocalDynamoDBServerHandler;
import java.net.InetSocketAddress;
import org.eclipse.jetty.server.Server;

/** DynamoDB Local, in memory, on the loopback address only: its own command listens on all of them. */
final class LoopbackDynamoDb {
    public static void main(String[] args) throws Exception {
        boolean inMemory = true;
        var handler = new LocalDynamoDBServerHandler(
                new LocalDynamoDBRequestHandler(0, inMemory, null, false, false), null);
        var server = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
        server.setHandler(handler);
        server.start();
        server.join();
    }
}
