"""Anchored regular expressions to minimal byte automata, at build time.

The agent then matches hostile text in one table walk: no backtracking, no allocation, no regex library.
Understood: ^...$ around literals, classes, groups, alternation and ? * + {m} {m,n}; ASCII only. A negated class
also takes every byte from 0x80 on.
"""

ESCAPES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " \\t\\n\\v\\f\\r"}
CONTROL = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
MAX_STATES = 60000


class PatternError(ValueError):
	pass


class Parser:
	"""Recursive descent; a node is ("set", bytes) | ("cat", [..]) | ("alt", [..]) | ("rep", node, min, max or None)."""

	def __init__(self, text):
		self.text, self.pos = text, 0

	def peek(self):
		return self.text[self.pos] if self.pos < len(self.text) else ""

	def take(self):
		c = self.peek()
		if not c:
			raise PatternError("pattern ends too early")
		if ord(c) > 0x7E:
			raise PatternError("not ASCII")
		self.pos += 1
		return c

	def alternation(self):
		branches = [self.sequence()]
		while self.peek() == "|":
			self.take()
			branches.append(self.sequence())
		return branches[0] if len(branches) == 1 else ("alt", branches)

	def sequence(self):
		parts = []
		while self.peek() not in ("", "|", ")"):
			parts.append(self.repeated())
		return ("cat", parts)

	def repeated(self):
		node = self.atom()
		while self.peek() in ("?", "*", "+", "{"):
			c = self.take()
			if c == "{":
				end = self.text.index("}", self.pos)
				low, comma, high = self.text[self.pos:end].partition(",")
				self.pos = end + 1
				node = ("rep", node, int(low), (int(high) if high else None) if comma else int(low))
			else:
				node = ("rep", node, int(c == "+"), 1 if c == "?" else None)
		return node

	def atom(self):
		c = self.take()
		if c == "(":
			if self.peek() == "?":
				self.take()
				if self.take() != ":":
					raise PatternError("look-around is not in the profile")
			node = self.alternation()
			if self.take() != ")":
				raise PatternError("unbalanced group")
			return node
		if c == "[":
			return ("set", self.char_class())
		if c == ".":
			return ("set", frozenset(range(256)) - {10, 13})
		if c == "\\":
			return ("set", self.escape())
		if c in ")^$]}*+?":
			raise PatternError("unexpected " + c)
		return ("set", frozenset([ord(c)]))

	def escape(self):
		c = self.take()
		if c in ESCAPES:
			return Parser(ESCAPES[c] + "]").char_class()
		if c in CONTROL:
			return frozenset([CONTROL[c]])
		if c.isalnum():
			raise PatternError("unknown escape \\" + c)
		return frozenset([ord(c)])

	def char_class(self):
		negated, out, first = False, set(), True
		if self.peek() == "^":
			self.take()
			negated = True
		while first or self.peek() != "]":
			first = False
			c = self.take()
			low = self.escape() if c == "\\" else frozenset([ord(c)])
			if self.peek() == "-" and self.text[self.pos + 1:self.pos + 2] != "]" and len(low) == 1:
				self.take()
				c = self.take()
				high = self.escape() if c == "\\" else frozenset([ord(c)])
				out |= set(range(min(low), max(high) + 1))
			else:
				out |= low
		self.take()
		return frozenset(range(256)) - out if negated else frozenset(out)


class Nfa:
	def __init__(self):
		self.empty, self.edges = [], []

	def state(self):
		self.empty.append([])
		self.edges.append([])
		if len(self.empty) > MAX_STATES:
			raise PatternError("too many states")
		return len(self.empty) - 1

	def build(self, node, start):
		"""Adds the node after state start; returns the state where it ends."""
		kind = node[0]
		if kind == "set":
			end = self.state()
			self.edges[start].append((node[1], end))
			return end
		if kind == "cat":
			for part in node[1]:
				start = self.build(part, start)
			return start
		if kind == "alt":
			end = self.state()
			for branch in node[1]:
				first = self.state()
				self.empty[start].append(first)
				self.empty[self.build(branch, first)].append(end)
			return end
		_, inner, low, high = node
		for _ in range(low):
			start = self.build(inner, start)
		end = self.state()
		self.empty[start].append(end)
		if high is None:
			loop = self.state()
			self.empty[start].append(loop)
			last = self.build(inner, loop)
			self.empty[last] += [loop, end]
			return end
		for _ in range(high - low):
			start = self.build(inner, start)
			self.empty[start].append(end)
		return end

	def closure(self, states):
		seen, todo = set(states), list(states)
		while todo:
			for nxt in self.empty[todo.pop()]:
				if nxt not in seen:
					seen.add(nxt)
					todo.append(nxt)
		return frozenset(seen)


def byte_classes(nfa):
	"""Bytes that no edge tells apart share a class: (class of each byte, one byte of each class)."""
	sets = {s for edges in nfa.edges for s, _ in edges}
	ordered = sorted(sets, key=sorted)
	known, of_byte, sample = {}, [], []
	for byte in range(256):
		key = tuple(byte in s for s in ordered)
		if key not in known:
			known[key] = len(sample)
			sample.append(byte)
		of_byte.append(known[key])
	return of_byte, sample


def determinize(nfa, start, end, sample):
	index, rows, accept, todo = {}, [], [], []

	def number(states):
		if states not in index:
			index[states] = len(rows)
			rows.append(None)
			accept.append(end in states)
			todo.append(states)
		return index[states]

	number(frozenset())  # state 0: nothing can match any more
	number(nfa.closure([start]))
	while todo:
		states = todo.pop()
		row = []
		for byte in sample:
			row.append(number(nfa.closure([t for s in states for chars, t in nfa.edges[s] if byte in chars])))
		rows[index[states]] = row
	return rows, accept


def minimize(rows, accept):
	"""Moore's partition refinement; keeps 0 dead and 1 the start."""
	block = [int(a) for a in accept]
	while True:
		keys, new = {}, []
		for s, row in enumerate(rows):
			key = (block[s], tuple(block[t] for t in row))
			new.append(keys.setdefault(key, len(keys)))
		if new == block:
			break
		block = new
	order = {block[0]: 0}
	for s in [1] + list(range(len(rows))):
		order.setdefault(block[s], len(order))
	out_rows, out_accept = [None] * len(order), [False] * len(order)
	for s, row in enumerate(rows):
		out_rows[order[block[s]]] = [order[block[t]] for t in row]
		out_accept[order[block[s]]] = accept[s]
	return out_rows, out_accept


def split_anchors(text):
	"""The part between ^ and $, which the profile demands."""
	if not (text.startswith("^") and text.endswith("$")) or text.endswith("\\$"):
		raise PatternError("must be anchored with ^ and $")
	return text[1:-1]


def compile_pattern(text):
	"""Returns (class of each byte, rows of next states, accepting flags)."""
	parser = Parser(split_anchors(text))
	tree = parser.alternation()
	if parser.peek():
		raise PatternError("trailing " + parser.peek())
	if tree[0] == "alt":
		raise PatternError("alternatives at the top need a group, else only the outer ones are anchored")
	nfa = Nfa()
	start = nfa.state()
	end = nfa.build(tree, start)
	of_byte, sample = byte_classes(nfa)
	rows, accept = determinize(nfa, start, end, sample)
	rows, accept = minimize(rows, accept)
	return of_byte, rows, accept
