;; Calls itself without an end.
;;
;; request: read harm
;; status: 500
;; error: its call stack is exhausted
;; error: descend

(func $descend (param $depth i64) (result i64)
  (i64.add (local.get $depth) (call $descend (i64.add (local.get $depth) (i64.const 1)))))

(func $hostile (result i32)
  (i32.wrap_i64 (call $descend (i64.const 0))))
