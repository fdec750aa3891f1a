package conn

func testPeerCloses(e *env) {
	r, c := e.attach()
	c.send(textFrame("x"), closeFrame(1001, "bye"))
	c.expectClose(1001)
	c.expectEOF()
	r.expect(`text "x"`, `closed 1001 "bye" peer`)
}

func testWeClose(e *env) {
	r, c := e.attach()
	e.on(func() {
		r.Conn.Write(serverText("last"))
		r.Conn.Close(4409, "enough")
	})
	c.expect(OpText, "last")
	c.expectClose(4409)
	c.send(textFrame("not heard"), closeFrame(4409, ""))
	c.expectEOF()
	r.expect(`closed 4409 "enough" local`)
	if r.ending.Err != nil {
		e.Error(r.ending.Err)
	}
}
