package simulator

import "strconv"

// meta writes metaInfo: whatever an automation has set. Most are a few hundred
// bytes, one in a hundred is tens of kilobytes.
func (c *contact) meta() {
	d := roll(c.r.id, streamMeta)
	if c.drift("metaInfo") < 10 {
		return
	}
	c.open("metaInfo", '{')
	c.str("caller", phone(&d))
	c.str("callee", phone(&d))
	c.str("dialedNumber", phone(&d))
	c.open("identities", '[')
	c.open("", '{')
	c.str("val", c.w.account+"/korevg/"+c.r.userID()[2:])
	c.str("type", "mapped")
	c.close('}')
	c.close(']')
	if d.chance(0.5) {
		c.transferConfig(&d)
	}
	size := d.between(0, 1_000)
	switch x := d.n(100); {
	case x < 1:
		size = d.between(10_000, 40_000)
	case x < 12:
		size = d.between(2_000, 6_000)
	case x < 40:
		size = d.between(1_000, 2_200)
	}
	c.open("customData", '{')
	c.tree(&d, len(c.b)+int(size), 0)
	c.close('}')
	c.close('}')
}

func (c *contact) transferConfig(d *dice) {
	c.open("agentTransferConfig", '{')
	c.strs("skillsIds")
	c.raw("overrideAgents", "false")
	c.raw("assistEvents", `{"startEvent":{"isEnabled":false}}`)
	c.str("lastIntentName", "ConnectToAgent")
	c.str("automationBotId", pick(d, c.w.bots))
	c.str("accountId", c.w.account)
	c.close('}')
}

// tree fills an object with members of every shape until the text has grown to a
// length.
func (c *contact) tree(d *dice, until, depth int) {
	for i := int64(0); len(c.b) < until; i++ {
		name := pick(d, metaNames) + strconv.FormatInt(i, 10)
		switch x := d.n(12); {
		case x < 5:
			c.str(name, pick(d, remarks))
		case x < 7:
			c.raw(name, pick(d, metaNumbers))
		case x == 7:
			c.raw(name, pick(d, []string{"true", "false", "null", "[]", "{}", `[1,"two",[3.0,null]]`}))
		case x == 8:
			c.strs(name, pick(d, reasons), pick(d, firstNames), "")
		case x == 9:
			c.raw(name, `"escaped \u00e9\/\ud83d\ude00 \t"`)
		case depth < 6:
			c.open(name, '{')
			c.tree(d, min(until, len(c.b)+int(d.between(40, 400))), depth+1)
			c.close('}')
		default:
			c.str(name, pick(d, lastNames))
		}
	}
}

// Names that need escaping in a JSON Pointer are among them. None needs escaping
// in JSON.
var metaNames = []string{"key", "visitedPages", "cart/item", "a~b", "user name", "größe", "", "orderId", "x-trace", "*"}

// Numbers whose text says more than a float64 keeps.
var metaNumbers = []string{"0", "-1", "12.50", "9007199254740993", "1E-7", "1.0", "123456789012345678901234567890", "-0", "0.30000000000000004"}
