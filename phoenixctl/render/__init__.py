"""What people and programs read: tables, JSON, neutralised text. No decisions."""
