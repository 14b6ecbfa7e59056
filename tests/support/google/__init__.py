"""The tests' Google: holds each request to Google's own discovery documents, keeps resources in memory."""
