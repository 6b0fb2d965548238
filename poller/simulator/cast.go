package simulator

import "strings"

// cast are the people and places that conversations have in common.
type cast struct {
	account string
	org     string
	bots    []string
	queues  []queue
	agents  []agent
}

type queue struct{ id, name string }

type agent struct{ id, name, email string }

var queueNames = []string{"Default Queue", "Residential – Sales", "Billing", "Retención de clientes", "技術サポート",
	"Escalations", "Ärger & Lob", "Callback", "VIP", "Tech / Tier 2"}

var firstNames = []string{"Jared", "Zoë", "Ngọc", "María José", "Łukasz", "Søren", "彩花", "Олена", "O'Neil", "नेहा", "Amina", "John", "Renée", "Δημήτρης"}

var lastNames = []string{"Smith", "Müller", "Nguyễn", "García Márquez", "Wiśniewski", "Sørensen", "佐藤", "Шевченко", "D'Souza", "शर्मा", "al-Hashimi", "\"JD\" Doe", "🙂"}

func newCast(seed uint64, account string) *cast {
	d := roll(seed, streamIDs)
	c := &cast{account: account, org: guid(&d, "o-", 8)}
	for range 4 {
		c.bots = append(c.bots, guid(&d, "st-", 8))
	}
	for _, name := range queueNames {
		c.queues = append(c.queues, queue{guid(&d, "qu-", 7), name})
	}
	for i := range 40 {
		a := agent{id: guid(&d, "u-", 8), name: pick(&d, firstNames) + " " + pick(&d, lastNames)}
		if d.chance(0.8) { // the samples have empty addresses too
			a.email = "agent" + strings.Repeat("x", i%3) + string(rune('a'+i%26)) + "@contact.example"
		}
		c.agents = append(c.agents, a)
	}
	return c
}

var channels = []string{
	"voice", "voice", "voice", "voice", "voice", "voice", "voice", "voice", "voice", "Voice",
	"rtm", "rtm", "rtm", "rtm", "rtm", "rtm", "Web/Mobile Client", "Web/Mobile Client",
	"campaign", "telegram", "whatsapp", "rtm ", "acme-kiosk", "línea directa",
}

var remarks = []string{
	"The customer had an issue with their internet service and was experiencing slow speeds.",
	"CUSTOMER needs help with Products and Sales. AGENT will connect her with an agent.",
	"El cliente pidió una copia de la factura; se la enviamos por correo.",
	"The caller reported that the \"premium\" plan was charged twice.\nRefund of 12.90 € initiated.",
	"お客様は配送状況を確認されました。追跡番号を案内済み。",
	"Called back, no answer; left a message.",
	"Клиент доволен решением. Обращение закрыто.",
	"Agent verified identity, reset the device and confirmed that service was restored\tin full.",
}

var dispositionCodes = []string{"ESCALATED", "RESOLVED", "CALLBACK", "Sale", "No sale", "Abandoned / queue", "Spam", "Überweisung"}

var reasons = []string{"billing", "technical", "Cancellation", "order status", "kündigung", "other"}

var skills = []string{"english", "español", "tier2", "billing", "sales"}
