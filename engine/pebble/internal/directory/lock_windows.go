package directory

import "golang.org/x/sys/windows"

// heldElsewhere is the error of CreateFile when another process has the file open.
const heldElsewhere = windows.ERROR_SHARING_VIOLATION
