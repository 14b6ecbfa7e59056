/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A name, which may be any bytes, as a JSON string.
 */
#ifndef TUKUR_JSON_H
#define TUKUR_JSON_H

#include <linux/seq_file.h>
#include <linux/string.h>

/* Bytes of the UTF-8 character at the beginning, 0 where there is none (RFC 3629, section 4). */
static inline unsigned int tukur_utf8(const u8 *at, unsigned int left)
{
	unsigned int length, more;
	u8 low = 0x80, high = 0xbf;

	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (left < length)
		return 0;
	/* Nothing longer than need be, no half of a UTF-16 pair, nothing above U+10FFFF. */
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	for (more = 1; more < length; more++) {
		if (at[more] < low || at[more] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

/* What is no text is written \u00XX, and so are the controls that a terminal would obey. */
static inline void tukur_json_string(struct seq_file *out, const char *text, size_t length)
{
	const u8 *at = (const u8 *)text, *end = at + strnlen(text, length);
	unsigned int bytes;

	seq_putc(out, '"');
	for (; at < end; at += bytes) {
		bytes = tukur_utf8(at, end - at);
		if (!bytes || *at < ' ' || *at == '"' || *at == '\\' || *at == 0x7f) {
			bytes = 1;
			seq_printf(out, "\\u%04x", *at);
		} else if (*at == 0xc2 && at[1] < 0xa0) {
			seq_printf(out, "\\u%04x", at[1]);
		} else {
			seq_write(out, at, bytes);
		}
	}
	seq_putc(out, '"');
}

#endif /* TUKUR_JSON_H */
