package directory

import "golang.org/x/sys/windows"

// heldElsewhere is what CreateFile answers when another process has the file open.
const heldElsewhere = windows.ERROR_SHARING_VIOLATION
