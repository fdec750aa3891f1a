package peers

import (
	"context"
	"sync"
	"time"
)

// AskTimeout is how long Ask waits for answers.
const AskTimeout = 2 * time.Second

// Ask asks other nodes a question, and returns their answers, in the order of the nodes. Nil
// means that a node did not answer in time.
func (p *Peers) Ask(ctx context.Context, nodes []string, question []byte) [][]byte {
	if len(nodes) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	question = append([]byte{kindQuestion}, question...)
	answers := make([][]byte, len(nodes))
	var running sync.WaitGroup
	for i, name := range nodes {
		running.Go(func() {
			answer, err := p.config.Bus.Request(ctx, p.topicOf(name), question)
			if err != nil {
				p.config.Logger.Debug("a node does not answer", "node", name, "error", err)
				return
			}
			answers[i] = answer
		})
	}
	running.Wait()
	return answers
}
