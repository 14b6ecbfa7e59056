/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a name, which may hold any bytes, as a JSON string.
 */
#ifndef TUKUR_JSON_H
#define TUKUR_JSON_H

#include <linux/seq_file.h>
#include <linux/string.h>

/* Length of the UTF-8 character at the start, 0 if it is invalid (RFC 3629, section 4). */
static inline unsigned int tukur_utf8(const u8 *pos, unsigned int left)
{
	unsigned int length, i;
	u8 low = 0x80, high = 0xbf;

	if (pos[0] < 0x80)
		return 1;
	if (pos[0] < 0xc2 || pos[0] > 0xf4)
		return 0;
	length = pos[0] < 0xe0 ? 2 : pos[0] < 0xf0 ? 3 : 4;
	if (left < length)
		return 0;
	/* No overlong encoding, no surrogate, nothing above U+10FFFF. */
	if (pos[0] == 0xe0)
		low = 0xa0;
	else if (pos[0] == 0xed)
		high = 0x9f;
	else if (pos[0] == 0xf0)
		low = 0x90;
	else if (pos[0] == 0xf4)
		high = 0x8f;
	for (i = 1; i < length; i++) {
		if (pos[i] < low || pos[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

/* Invalid bytes and control characters, which a terminal might interpret, become \u00XX. */
static inline void tukur_json_string(struct seq_file *out, const char *text, size_t length)
{
	const u8 *pos = (const u8 *)text, *end = pos + strnlen(text, length);
	unsigned int bytes;

	seq_putc(out, '"');
	for (; pos < end; pos += bytes) {
		bytes = tukur_utf8(pos, end - pos);
		if (!bytes || *pos < ' ' || *pos == '"' || *pos == '\\' || *pos == 0x7f) {
			bytes = 1;
			seq_printf(out, "\\u%04x", *pos);
		} else if (*pos == 0xc2 && pos[1] < 0xa0) {
			seq_printf(out, "\\u%04x", pos[1]);
		} else {
			seq_write(out, pos, bytes);
		}
	}
	seq_putc(out, '"');
}

#endif /* TUKUR_JSON_H */
