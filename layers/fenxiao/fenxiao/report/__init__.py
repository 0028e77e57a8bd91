"""Scheduled reports of the business."""
