import com.github._1c_syntax.bsl.parser.BSLLexer;
import com.github._1c_syntax.bsl.parser.BSLParser;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.antlr.v4.runtime.CharStreams;
import org.antlr.v4.runtime.IncrementalTokenStream;
import org.antlr.v4.runtime.Token;

/** Names modules of 1C, each followed by a line for every mistake of syntax in it, as its parser tells them. */
public class Syntax {
    public static void main(String[] files) throws Exception {
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8));
        for (String file : files) {
            System.err.println(file);
            IncrementalTokenStream tokens = new IncrementalTokenStream(new BSLLexer(CharStreams.fromFileName(file)));
            new BSLParser(tokens).file();
            for (Token token : tokens.getTokens()) {
                if (token.getType() == BSLLexer.UNKNOWN) {
                    System.err.println("line " + token.getLine() + ": unknown sign " + token.getText());
                }
            }
        }
    }
}
