package memory

import "container/heap"

// list keeps nodes in the order of their appends, in a ring through a root node.
type list struct{ root node }

func (l *list) init() { l.root.prev, l.root.next = &l.root, &l.root }

func (l *list) push(n *node) {
	n.prev, n.next = l.root.prev, &l.root
	n.prev.next, n.next.prev = n, n
}

func (l *list) remove(n *node) {
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
}

// front returns the oldest node, or nil.
func (l *list) front() *node {
	if l.root.next == &l.root {
		return nil
	}
	return l.root.next
}

// deadlines is a heap of nodes; the next one to expire is first.
type deadlines []*node

func (d *deadlines) add(n *node) {
	n.heap = -1
	if n.deadline != 0 {
		heap.Push(d, n)
	}
}

func (d *deadlines) remove(n *node) {
	if n.heap >= 0 {
		heap.Remove(d, n.heap)
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (d deadlines) Len() int { return len(d) }

// Less orders records with the same deadline by their sequences.
func (d deadlines) Less(i, j int) bool {
	if d[i].deadline != d[j].deadline {
		return d[i].deadline < d[j].deadline
	}
	return d[i].Seq < d[j].Seq
}

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heap, d[j].heap = i, j
}

func (d *deadlines) Push(x any) {
	n := x.(*node)
	n.heap = len(*d)
	*d = append(*d, n)
}

func (d *deadlines) Pop() any {
	last := len(*d) - 1
	n := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	n.heap = -1
	return n
}
