package wstest

import (
	"fmt"
	"strings"
)

// MaxMessage is the largest message in the cases, in bytes.
const MaxMessage = 1000

// A Case is a client's input and the expected result: a line for each message and
// control frame (its opcode, a close code, its payload quoted), the last one being the
// close code of a violation, if any.
type Case struct {
	Name  string
	Input []byte
	Want  []string
}

// Parsed are cases without compression.
var Parsed = []Case{
	{"nothing", nil, nil},
	{"empty text", Text(""), []string{`1 ""`}},
	{"two", Join(Text("a"), Binary("\xFF")), []string{`1 "a"`, `2 "\xff"`}},
	{"extended length", Text(strings.Repeat("x", 126)), []string{`1 "` + strings.Repeat("x", 126) + `"`}},
	{"control", Join(Control(opPing, "p"), Control(opPong, "")), []string{`9 "p"`, `10 ""`}},
	{"fragments", Join(Begins(opText, "ab"), Continues(""), Ends("c")), []string{`1 "abc"`}},
	{
		"control between fragments",
		Join(Begins(opBinary, "ab"), Control(opPing, "p"), Continues("c"), Control(opPong, "q"), Ends("d"), Text("e")),
		[]string{`9 "p"`, `10 "q"`, `2 "abcd"`, `1 "e"`},
	},
	{"character across fragments", Join(Begins(opText, "\xF0\x9F"), Continues("\x98"), Ends("\x80")), []string{`1 "😀"`}},
	{"close", Close(1000, "é"), []string{`8 1000 "é"`}},
	{"close without code", Control(opClose, ""), []string{`8 1005 ""`}},
	{"just fits", Join(Begins(opText, strings.Repeat("x", 999)), Ends("x")), []string{`1 "` + strings.Repeat("x", 1000) + `"`}},

	{"unmasked", []byte{fin | opText, 1, 'x'}, []string{"1002"}},
	{"unmasked ping", []byte{fin | opPing, 0}, []string{"1002"}},
	{"rsv1", Masked(fin|0x40|opText, "x"), []string{"1002"}},
	{"rsv2", Masked(fin|0x20|opText, "x"), []string{"1002"}},
	{"rsv3 on control", Masked(fin|0x10|opPing, "x"), []string{"1002"}},
	{"opcode 3", Masked(fin|3, "x"), []string{"1002"}},
	{"opcode 7", Masked(fin|7, "x"), []string{"1002"}},
	{"opcode 11", Masked(fin|11, "x"), []string{"1002"}},
	{"opcode 15", Masked(fin|15, "x"), []string{"1002"}},
	{"long ping", head(126), []string{"1002"}},
	{"longer ping", head(127), []string{"1002"}},
	{"fragmented ping", Masked(opPing, "x"), []string{"1002"}},
	{"continuation without a message", Ends("x"), []string{"1002"}},
	{"continuation after a message", Join(Begins(opText, "a"), Ends("b"), Continues("c")), []string{`1 "ab"`, "1002"}},
	{"message inside a message", Join(Begins(opText, "a"), Text("b")), []string{"1002"}},
	{"length of two for one", []byte{fin | opText, maskBit | 126, 0, 125}, []string{"1002"}},
	{"length of eight for two", []byte{fin | opText, maskBit | 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, []string{"1002"}},
	{"negative length", []byte{fin | opText, maskBit | 127, 0x80, 0, 0, 0, 0, 1, 0, 0}, []string{"1002"}},
	{"too big by its header", []byte{fin | opText, maskBit | 126, 1001 >> 8, 1001 & 0xFF, 1, 2, 3, 4}, []string{"1009"}},
	{"huge by its header", []byte{fin | opBinary, maskBit | 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4}, []string{"1009"}},
	{"too big together", Join(Begins(opText, strings.Repeat("x", 999)), Continues(""), Masked(fin, "xx")[:6]), []string{"1009"}},
	{"close of one byte", Control(opClose, "\x03"), []string{"1002"}},
	{"close reason", Close(1000, "\xFF"), []string{"1007"}},
	{"not UTF-8", Text("a\xFFb"), []string{"1007"}},
	{"surrogate", Text("\xED\xA0\x80"), []string{"1007"}},
	{"overlong", Text("\xC0\xAF"), []string{"1007"}},
	{"beyond Unicode", Text("\xF4\x90\x80\x80"), []string{"1007"}},
	{"cut character", Text("a\xE2\x82"), []string{"1007"}},
	{"cut in the last fragment", Join(Begins(opText, "a"), Ends("\xE2")), []string{"1007"}},
	{"bad character across fragments", Join(Begins(opText, "\xE2"), Continues("\x28")), []string{"1007"}},
	{"bad before the end of the frame", Text("a\xFFxxxxxxxxxx")[:9], []string{"1007"}},
	{"bad text before a good ping", Join(Begins(opText, "\xFF"), Control(opPing, "")), []string{"1007"}},
}

func head(length byte) []byte { return []byte{fin | opPing, maskBit | length} }

// Inflated are cases with compression negotiated.
var Inflated = []Case{
	{"text", Squeezed(opText, "Hello"), []string{`1 "Hello"`}},
	{"binary", Squeezed(opBinary, "\xFF\xFE"), []string{`2 "\xff\xfe"`}},
	{"empty", Squeezed(opText, ""), []string{`1 ""`}},
	{"empty frame", Masked(fin|rsv1|opText, ""), []string{`1 ""`}},
	{"next to an uncompressed message", Join(Squeezed(opText, "a"), Text("b"), Squeezed(opBinary, "c")), []string{`1 "a"`, `1 "b"`, `2 "c"`}},
	{"fragments (§7.2.3.1)", Join(Masked(rsv1|opText, "\xf2\x48\xcd"), Ends("\xc9\xc9\x07\x00")), []string{`1 "Hello"`}},
	{"fragment a byte", SqueezedIn(1, opText, "Hällo €"), []string{`1 "Hällo €"`}},
	{"empty fragments", Join(Masked(rsv1|opText, ""), Continues(""), Ends("\x00")), []string{`1 ""`}},
	{
		"control between fragments",
		Join(Masked(rsv1|opText, "\xf2\x48\xcd"), Control(opPing, "p"), Ends("\xc9\xc9\x07\x00"), Text("b")),
		[]string{`9 "p"`, `1 "Hello"`, `1 "b"`},
	},
	{"just fits", Squeezed(opText, strings.Repeat("x", MaxMessage)), []string{fmt.Sprintf("1 %q", strings.Repeat("x", MaxMessage))}},
	{"noise that just fits", Squeezed(opBinary, Noise(MaxMessage)), []string{fmt.Sprintf("2 %q", Noise(MaxMessage))}},
	{"a fragment that is not marked", Join(Text("a"), Begins(opText, "a"), Ends("\x07")), []string{`1 "a"`, "1 \"a\\a\""}},

	{"on a continuation", Join(Begins(opText, "a"), Masked(fin|rsv1, "b")), []string{"1002"}},
	{"on a compressed one's continuation", Join(Masked(rsv1|opText, "\xf2\x48\xcd"), Masked(fin|rsv1, "\xc9")), []string{"1002"}},
	{"on a ping", Masked(fin|rsv1|opPing, "x"), []string{"1002"}},
	{"on a close", Masked(fin|rsv1|opClose, ""), []string{"1002"}},
	{"on an unknown opcode", Masked(fin|rsv1|3, ""), []string{"1002"}},
	{"with rsv2", Masked(fin|rsv1|0x20|opText, "\x00"), []string{"1002"}},
	{"rsv3 alone", Masked(fin|0x10|opText, "x"), []string{"1002"}},
	{"unmasked", []byte{fin | rsv1 | opText, 1, 0}, []string{"1002"}},
	{"garbage", Masked(fin|rsv1|opText, "hello hello hello"), []string{"1007"}},
	{"garbage in fragments", Join(Masked(rsv1|opBinary, "hello "), Ends("hello")), []string{"1007"}},
	{"cut", Masked(fin|rsv1|opBinary, Deflated(JSON(900))[:200]), []string{"1007"}},
	{"not UTF-8", Squeezed(opText, "a\xFFb"), []string{"1007"}},
	{"not UTF-8 in fragments", SqueezedIn(2, opText, "a\xE2\x82"), []string{"1007"}},
	{"bomb", Squeezed(opText, strings.Repeat("0", 100_000)), []string{"1009"}},
	{"one too many", Squeezed(opBinary, strings.Repeat("x", MaxMessage+1)), []string{"1009"}},
	{"bomb in fragments", SqueezedIn(10, opText, strings.Repeat("0", 100_000)), []string{"1009"}},
	{"too long by its header", Masked(fin|rsv1|opText, strings.Repeat("x", MaxMessage+MaxMessage/4+64+1))[:8], []string{"1009"}},
	{"too long together", Join(Masked(rsv1|opText, strings.Repeat("x", MaxMessage)), Ends(strings.Repeat("x", MaxMessage))[:8]), []string{"1009"}},
}
