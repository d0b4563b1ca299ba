package etcd

import "fmt"

// tell says what it waits for, when it changes and every now and then.
func (k *Keeper) tell(level Level, text string) {
	now := k.Now()
	// What goes to and fro is not worth a line each time; it comes up again.
	if since := now.Sub(k.saidAt); text == k.said && since < k.Remind || k.said != "" && since < k.Spacing {
		return
	}
	k.news(level, text)
	k.said, k.saidAt = text, now
}

// news says a line now. What is waited for after that is said anew.
func (k *Keeper) news(level Level, text string) {
	k.said = ""
	k.Status(text)
	k.Say(level, text)
}

// step says what was done, and that it was.
func (k *Keeper) step(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	k.news(Notice, "etcd: "+text)
	k.decision.Steps = append(k.decision.Steps, text)
	k.keep()
	k.Crash(text)
}
