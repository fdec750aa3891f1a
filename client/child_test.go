package client_test

func childMain() bool { return false }
